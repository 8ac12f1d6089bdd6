import marimo

app = marimo.App(width="full", app_title="rmt_alpha: the best α", css_file="explore.css")


@app.cell
def imports():
    import marimo as mo

    from rmt_alpha.explorer import export, pictures, results
    from rmt_alpha.explorer.state import State
    from rmt_alpha.explorer.widget import Controls

    return Controls, State, export, mo, pictures, results


@app.cell
def heading(link_error, mo, pictures):
    mo.Html(
        "<h1>The best scale for a frozen classifier</h1>"
        "<p>Fine-tune <i>w = α·w̃ + a</i> on little target data: which α is best, and what does α = 1 cost?</p>"
        + (pictures.alert(link_error) if link_error else "")
    )
    return


@app.cell
def controls(Controls, State, mo):
    try:
        start, link_error = State.from_query(mo.query_params().to_dict()), None
    except ValueError as error:
        start, link_error = State(), str(error)
    settings = Controls(start)
    controls = mo.ui.anywidget(settings)
    controls
    return controls, link_error, settings


@app.cell
def answer(State, controls, mo, pictures, results):
    # The curve has a cell of its own: it is on the screen before the rest is drawn. Impossible values are explained
    # in the library's own words.
    state = State(**controls.value["state"])
    curve, points, answer = None, None, []
    try:
        curve = results.curve(state)
        points = results.simulated(state) if state.simulate else None
    except results.IMPOSSIBLE as error:
        answer.append(pictures.alert(str(error)))
    if curve is not None:
        answer += [pictures.headline(curve), pictures.draw_curve(curve, points, controls.value["narrow"])]
    if points is not None:
        answer.append(pictures.comparison(points))
    mo.Html("".join(answer))
    return curve, state


@app.cell
def details(curve, export, mo, pictures, results, state):
    mo.stop(curve is None)
    try:
        plane = pictures.draw_map(state, results.plane(state))
    except results.IMPOSSIBLE as error:
        plane = pictures.alert(str(error))
    try:
        lines = export.python_lines(state)
    except results.IMPOSSIBLE as error:
        lines = f"# {error}"
    mo.Html(
        pictures.card("scores", "Scores of the two classes", pictures.draw_densities(curve))
        + pictures.card("plane", "Around this problem", plane)
        + pictures.card("values", "In numbers", pictures.table(curve))
        + pictures.folded("lines", "The Python lines that make this figure", lines)
    )
    return


@app.cell
def take(State, export, mo, results, settings):
    # The settings themselves, not marimo's view of them: the buttons read them when they are pressed, and are not drawn anew.
    def now():
        return State(**settings.state)

    buttons = {
        "Figure (PDF)": ("explorer.pdf", "application/pdf", lambda: export.figure(now(), "pdf")),
        "Figure (PNG)": ("explorer.png", "image/png", lambda: export.figure(now(), "png")),
        "Curve (CSV)": ("explorer_curve.csv", "text/csv", lambda: results.curve_csv(now())),
        "Map (CSV)": ("explorer_map.csv", "text/csv", lambda: results.map_csv(now())),
    }
    downloads = [mo.download(data, file, kind, label=label) for label, (file, kind, data) in buttons.items()]
    mo.vstack([mo.Html("<h2>Take it with you</h2>"), mo.hstack(downloads, justify="start", wrap=True)])
    return


if __name__ == "__main__":
    app.run()
