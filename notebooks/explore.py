# /// script
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

app = marimo.App(width="full", app_title="rmt_alpha: the best α", css_file="explore.css")


@app.cell
def imports():
    from dataclasses import replace

    import marimo as mo

    from rmt_alpha.explorer import controls, pictures, results
    from rmt_alpha.explorer import state as states
    from rmt_alpha.explorer.help import HELP
    from rmt_alpha.explorer.picture import Picture

    return HELP, Picture, controls, mo, pictures, replace, results, states


@app.cell
def begin(Picture, mo, pictures, replace, states):
    # One state, which every control changes and every picture follows. `page` keeps the last one that was possible.
    try:
        given = {name: value for name, value in mo.query_params().to_dict().items() if name != "access_token"}
        start, link_error = states.State.from_query(given), None
    except ValueError as error:
        start, link_error = states.State(), str(error)
    get, put = mo.state(start)
    pins, put_pins = mo.state({})
    page = {"good": states.State()}

    def change(name):
        return lambda value: put(lambda state: replace(state, **{name: value}))

    curve = Picture(spec=pictures.curve_spec(-10.0, 15.0), signals={"alpha": 3.0}, query="")
    scores = Picture(spec=pictures.scores_spec())
    plane = Picture(spec=pictures.map_spec(states.State()))
    curve.observe(lambda event: change("alpha")(event["new"]["alpha"]), "picked")

    def move(event):
        axes = {name: event["new"].get(name) for name in (page["good"].map_x, page["good"].map_y)}
        if None not in axes.values():
            put(lambda state: replace(state, **axes))

    plane.observe(move, "picked")
    return change, curve, get, link_error, page, pins, plane, put, put_pins, scores


@app.cell
def heading(HELP, link_error, mo, pictures):
    mo.Html(
        "<h1>The best scale for a frozen classifier</h1>"
        "<p>Fine-tune <i>w = α·w̃ + a</i> on little target data: which α is best, and what does α = 1 cost?</p>"
        + HELP
        + (pictures.alert(link_error) if link_error else "")
    )
    return


@app.cell
def answer(curve, get, mo, page, pictures, pins, results, states):
    # The curve first: it is on the screen before the rest is drawn.
    state, errors = states.settle(get(), page["good"])
    page["good"] = state
    shown = results.curve(state)
    points, words = None, []
    if state.simulate:
        try:
            points = results.simulated(state)
            words = [pictures.comparison(points, state.dim)]
        except states.IMPOSSIBLE as error:
            errors["trials" if str(error).startswith("trials") else "simulate"] = str(error)
    pinned = {name: results.curve(other) for name, other in pins().items()}
    with curve.hold_sync():
        curve.spec = pictures.curve_spec(float(state.alpha_low), float(state.alpha_high))
        curve.signals = {"alpha": float(state.alpha)}
        curve.tables = pictures.curve_tables(shown, points, pinned)
        curve.label = pictures.curve_words(shown)
        curve.errors, curve.query = errors, state.query()
    mo.Html("".join([*map(pictures.alert, errors.values()), pictures.headline(shown), *words]))
    return pinned, shown, state


@app.cell
def curve_card(curve, mo):
    mo.ui.anywidget(curve)
    return


@app.cell
def fields(change, controls, get, mo):
    fields_kept = controls.fields(get(), change)
    mo.Html(controls.form(fields_kept))
    return


@app.cell
def sliders(change, controls, get, mo):
    sliders_kept = controls.sliders(get(), change)
    mo.Html(controls.form(sliders_kept, ", slider"))
    return


@app.cell
def options(change, controls, get, mo):
    options_kept = controls.options(get(), change)
    mo.Html(controls.form(options_kept))
    return


@app.cell
def presets(controls, mo, put, states):
    preset = mo.ui.dropdown(states.PRESETS, on_change=lambda chosen: chosen and put(chosen), full_width=True)
    mo.Html(controls.form({"preset": preset}))
    return


@app.cell
def pin(mo, page, pictures, put_pins):
    def keep(_):
        put_pins(lambda old: {**old, pictures.pin_name(page["good"], len(old)): page["good"]})

    pin_buttons = [  # kept, as the other controls are
        mo.ui.button(label="Pin this curve", on_change=keep),
        mo.ui.button(label="Remove pins", on_change=lambda _: put_pins({})),
    ]
    mo.hstack(pin_buttons, justify="start")
    return


@app.cell
def scores_card(mo, scores):
    mo.vstack([mo.Html("<h2>Scores of the two classes</h2>"), mo.ui.anywidget(scores)])
    return


@app.cell
def plane_card(mo, plane):
    mo.vstack([mo.Html("<h2>Around this problem</h2>"), mo.ui.anywidget(plane)])
    return


@app.cell
def details(mo, pictures, pinned, plane, results, scores, shown, state):
    scores.tables = pictures.scores_tables(shown)
    with plane.hold_sync():
        plane.spec = pictures.map_spec(state)
        plane.tables = pictures.map_tables(state, results.plane(state))
    mo.Html(
        "<h2>In numbers</h2>"
        + pictures.table({"": shown, **pinned})
        + pictures.folded("The library's lines", pictures.python_lines(state))
    )
    return


@app.cell
def take(curve, mo, page, plane, results, scores):
    # Each file is made when its button is pressed, from what is on the screen.
    kinds = {"pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml"}
    pictures_of = {"curve": curve, "scores": scores, "map": plane}
    buttons = [
        mo.download(
            lambda picture=picture, kind=kind: picture.file(kind),
            f"{name}.{kind}",
            kinds[kind],
            label=f"{name} ({kind.upper()})",
        )
        for name, picture in pictures_of.items()
        for kind in kinds
    ]
    buttons += [
        mo.download(lambda made=made: made(page["good"]), f"{name}.csv", "text/csv", label=f"{name} (CSV)")
        for name, made in (("curve", results.curve_csv), ("map", results.map_csv))
    ]
    mo.vstack([mo.Html("<h2>Take it with you</h2>"), mo.hstack(buttons, justify="start", wrap=True)])
    return


if __name__ == "__main__":
    app.run()
