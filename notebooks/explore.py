import marimo

app = marimo.App(width="full", app_title="rmt_alpha: the best α", css_file="explore.css")


@app.cell
def imports():
    import html

    import marimo as mo

    from rmt_alpha.explorer import export, pictures, results
    from rmt_alpha.explorer.state import State
    from rmt_alpha.explorer.widget import Controls

    return Controls, State, export, html, mo, pictures, results


@app.cell
def heading(mo):
    mo.Html(
        "<h1>The best scale for a frozen classifier</h1>"
        "<p>Fine-tune <i>w = α·w̃ + a</i> on little target data: which α is best, and what does α = 1 cost?</p>"
    )
    return


@app.cell
def controls(Controls, State, mo):
    try:
        start, link_error = State.from_query(mo.query_params().to_dict()), None
    except ValueError as error:
        start, link_error = State(), str(error)
    controls = mo.ui.anywidget(Controls(start))
    controls
    return controls, link_error


@app.cell
def computed(State, controls, results):
    # Impossible values are explained by the library's own words; the rest of the page waits for better ones.
    state = State(**controls.value["state"])
    try:
        curve, problem_error = results.curve(state), None
    except (ValueError, TypeError, ArithmeticError) as error:
        curve, problem_error = None, str(error)
    return curve, problem_error, state


@app.cell
def simulated(curve, results, state):
    points, simulation_error = None, None
    if curve is not None and state.simulate:
        try:
            points = results.simulated(state)
        except (ValueError, TypeError, ArithmeticError) as error:
            simulation_error = str(error)
    return points, simulation_error


@app.cell
def answer(controls, curve, html, link_error, mo, pictures, points, problem_error, simulation_error):
    alerts = [error for error in (link_error, problem_error, simulation_error) if error]
    shown = "".join(f'<p role="alert" class="alert">{html.escape(error)}</p>' for error in alerts)
    if curve is not None:
        shown += f'<p id="headline" aria-live="polite">{pictures.headline(curve)}</p>'
        shown += pictures.draw_curve(curve, points, controls.value["narrow"])
    if points is not None:
        shown += f'<p id="simulated">{points.moments.n_trials} trainings; largest |z| = {points.max_abs_z:.1f}</p>'
    mo.Html(shown)
    return


@app.cell
def values(curve, mo, pictures):
    mo.stop(curve is None)
    mo.Html(f"<h2>In numbers</h2>{pictures.table(curve)}")
    return


@app.cell
def scores(curve, mo, pictures):
    mo.stop(curve is None)
    mo.Html(f"<h2>Scores of the two classes</h2>{pictures.draw_densities(curve)}")
    return


@app.cell
def plane(curve, html, mo, pictures, results, state):
    mo.stop(curve is None)
    try:
        map_shown = pictures.draw_map(state, results.plane(state))
    except (ValueError, TypeError, ArithmeticError) as error:
        map_shown = f'<p role="alert" class="alert">{html.escape(str(error))}</p>'
    mo.Html(f"<h2>Around this problem</h2>{map_shown}")
    return


@app.cell
def take(curve, export, mo, results, state):
    mo.stop(curve is None)
    downloads = mo.hstack(
        [
            mo.download(lambda: export.figure(state, "pdf"), "explorer.pdf", "application/pdf", label="Figure (PDF)"),
            mo.download(lambda: export.figure(state, "png"), "explorer.png", "image/png", label="Figure (PNG)"),
            mo.download(lambda: results.curve_csv(state), "explorer_curve.csv", "text/csv", label="Curve (CSV)"),
            mo.download(lambda: results.map_csv(state), "explorer_map.csv", "text/csv", label="Map (CSV)"),
        ],
        justify="start",
        wrap=True,
    )
    mo.vstack([mo.Html("<h2>Take it with you</h2>"), downloads])
    return


@app.cell
def lines(curve, export, html, mo, state):
    mo.stop(curve is None)
    try:
        source = export.python_lines(state) + '    fig.savefig("explorer.pdf")\n'
    except (ValueError, TypeError, ArithmeticError) as error:
        source = f"# {error}"
    mo.Html(
        "<details><summary>The Python lines that make this figure</summary>"
        f'<pre id="lines" tabindex="0">{html.escape(source)}</pre></details>'
    )
    return


if __name__ == "__main__":
    app.run()
