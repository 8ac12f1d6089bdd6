# /// script
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

app = marimo.App(width="full", app_title="rmt_alpha: the best α", css_file="page.css")

with app.setup:
    from dataclasses import replace
    from html import escape
    from importlib.metadata import metadata

    import marimo as mo

    from rmt_alpha.explorer import controls, pictures, results
    from rmt_alpha.explorer.picture import Picture
    from rmt_alpha.explorer.state import DATA, IMPOSSIBLE, TABS, TWO, State, read, settle


@app.cell
def begin():
    # One state, which every control changes and every picture follows. `page` keeps each tab's last one that was possible.
    try:
        given = {name: value for name, value in mo.query_params().to_dict().items() if name != "access_token"}
        start, link_error = State.from_query(given), {}
    except ValueError as error:
        start, link_error = State(), {"link": str(error)}
    get, put = mo.state(start)
    pins, put_pins = mo.state({})
    decided, put_decided = mo.state((None, link_error))
    page, simulations = {tab: State(tab=tab) for tab in TABS}, {}
    curve, below = Picture(), Picture()

    def change(name):
        return lambda value: put(lambda old: replace(old, **{name: read(value)}))

    def move(
        event,
    ):  # the pointer's answer: what of it is part of the state; rank 0 is to be seen, but is no correction
        given = {name: value for name, value in event["new"].items() if (name, value) != ("rank", 0)}
        put(lambda old: replace(old, **{k: given[k] for k in ("alpha", old.map_x, old.map_y, "rank") if k in given}))

    curve.observe(move, "picked")
    below.observe(move, "picked")
    return below, change, curve, decided, get, page, pins, put_decided, put_pins, simulations, start


@app.cell
def heading():
    _links = dict(line.split(", ", 1) for line in metadata("rmt_alpha").get_all("Project-URL") or ())
    _wanted = {k: escape(_links[k]) for k in ("Documentation", "Paper") if k in _links}
    mo.Html(
        "<h1>The best scale for a frozen classifier</h1>"
        "<p>Fine-tune <i>w = α·w̃ + a</i> on little target data: which α is best, and what does α = 1 cost?</p>"
        "<details class='help'><summary>Help</summary><ul>"
        "<li>Drag on the curve, or move the slider, to set your α; point at it to read values.</li>"
        "<li>Click on the map to move the problem there (the ring is where it is), on the ranks from 1 up to take one.</li>"
        "<li>Number fields take any number (also 1e6). What is impossible is said and marked; the picture keeps the last possible value.</li>"
        "<li>Pin a curve to compare it with what you change next. The address always is the link to what you see.</li>"
        "<li>α* has the largest accuracy, ᾱ is no better than chance. Sizes N, n, p; norms in standard deviations of the noise.</li>"
        "<li>Your data stay on this machine: two CSV files with a header, the same numeric columns and a column of labels.</li></ul>"
        + " · ".join(f"<a href='{url}' target='_blank' rel='noreferrer'>{name}</a>" for name, url in _wanted.items())
        + "</details>"
    )
    return


@app.cell
def tab(start):
    tabs = mo.ui.tabs(dict.fromkeys(TABS, ""), value=start.tab if start.tab in TABS else TWO)
    tabs
    return (tabs,)


@app.cell
def answer(curve, decided, get, page, pins, simulations, tabs):
    # The curve first: it is on the screen before the rest is drawn.
    now, errors = settle(replace(get(), tab=tabs.value), page[tabs.value])
    page[tabs.value], (_decision, _wrong) = now, decided()
    errors |= _wrong if now.tab == DATA or "link" in _wrong else {}
    if now.tab == DATA:
        shown, pinned = results.decided(_decision) if _decision else None, {}
    else:
        shown, pinned = results.curve(now), {name: results.curve(other) for name, other in pins().items()}
        if now.simulate:
            shown = replace(shown, points=simulations.get(replace(now, alpha=0), (shown.points,))[0])
    told = {"errors": errors, "query": now.query()}
    curve.draw(**(pictures.curve(shown, pinned, now) if shown else pictures.NOTHING), **told)
    _wanted = "Choose two CSV files with a header: the same numeric columns, and a label column in both. They stay on this machine."
    mo.Html(controls.said(errors.values(), "alert") + controls.said(shown.words if shown else [_wanted], "status"))
    return now, pinned, shown, told


@app.cell
def simulation(curve, now, pinned, shown, simulations, told):
    mo.stop(not now.simulate or now.tab == DATA)
    _key, _errors = replace(now, alpha=0), {}  # while α is dragged the points stay
    try:
        if _key not in simulations:
            mo.output.replace(mo.Html(controls.said(["Simulating …"], "status")))
            simulations[_key] = results.simulated(_key)
            curve.draw(**pictures.curve(replace(shown, points=simulations[_key][0]), pinned, now), **told)
    except IMPOSSIBLE as error:
        _errors = {"simulate": str(error)}
        curve.draw(**pictures.curve(shown, pinned, now), **told | {"errors": told["errors"] | _errors})
    mo.Html(controls.said(_errors.values(), "alert") + controls.said(simulations.get(_key, ())[1:], "status"))
    return


@app.cell
def files(put_decided, tabs):
    mo.stop(tabs.value != DATA)
    uploads = {name: mo.ui.file(filetypes=[".csv"]) for name in ("source", "target")}
    uploads["label"] = mo.ui.text("label", debounce=False, full_width=True)

    def _run(_):
        given = {name: next(iter(uploads[name].value), None) for name in ("source", "target")}
        put_decided(results.decide(given, uploads["label"].value))

    run = mo.ui.button(label="Choose α", on_change=_run)
    mo.vstack([controls.form(uploads), run])
    return


@app.cell
def fields(change, get, tabs):
    fields_kept = controls.fields(replace(get(), tab=tabs.value), change)
    controls.form(fields_kept)
    return


@app.cell
def sliders(change, get, tabs):
    sliders_kept = controls.sliders(replace(get(), tab=tabs.value), change)
    controls.form(sliders_kept, ", slider")
    return


@app.cell
def curve_card(curve, decided, page, put_pins, tabs):
    def _keep(_):
        put_pins(lambda old: {**old, pictures.pin_name(page[tabs.value], len(old)): page[tabs.value]})

    curve_files, pin_buttons = controls.files(curve, "curve"), []
    if tabs.value != DATA:
        pin_buttons = [
            mo.ui.button(label="Pin this curve", on_change=_keep),
            mo.ui.button(label="Remove pins", on_change=lambda _: put_pins({})),
        ]
    elif not decided()[0]:  # nothing yet
        curve_files = []
    mo.vstack([mo.ui.anywidget(curve), mo.hstack([*pin_buttons, *curve_files], justify="start", wrap=True)])
    return


@app.cell
def below_card(below, tabs):
    mo.stop(tabs.value == DATA)
    below_files = controls.files(below, "map" if tabs.value == TWO else "ranks")
    _title = mo.Html(f"<h2>{'Around this problem' if tabs.value == TWO else 'Ranks of the correction'}</h2>")
    mo.vstack([_title, mo.ui.anywidget(below), mo.hstack(below_files, justify="start", wrap=True)])
    return


@app.cell
def details(below, now, pinned, shown):
    mo.stop(not shown)
    if now.tab != DATA:
        below.draw(**(pictures.phase_map(now) if now.tab == TWO else pictures.ranks(now, shown)))
    mo.Html("<h2>In numbers</h2>" + pictures.table(shown, pinned))
    return


if __name__ == "__main__":
    app.run()
