# /// script
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

app = marimo.App(width="full", app_title="rmt_alpha: the best α", css_file="explore.css")


@app.cell
def imports():
    from dataclasses import replace
    from html import escape
    from importlib.metadata import metadata

    import marimo as mo

    from rmt_alpha.explorer import controls, pictures, results, state
    from rmt_alpha.explorer.picture import Picture

    return Picture, controls, escape, metadata, mo, pictures, replace, results, state


@app.cell
def begin(Picture, mo, replace, state):
    # One state, which every control changes and every picture follows. `page` keeps each tab's last one that was possible.
    try:
        given = {name: value for name, value in mo.query_params().to_dict().items() if name != "access_token"}
        start, link_error = state.State.from_query(given), {}
    except ValueError as error:
        start, link_error = state.State(), {"link": str(error)}
    get, put = mo.state(start)
    pins, put_pins = mo.state({})
    decided, put_decided = mo.state((None, link_error))
    page = {tab: state.State(tab=tab) for tab in state.TABS}

    def change(name):
        return lambda value: put(lambda old: replace(old, **{name: state.read(value)}))

    def move(event):  # the pointer's answer: what of it is part of the state
        put(
            lambda old: replace(
                old, **{k: v for k, v in event["new"].items() if k in ("alpha", old.map_x, old.map_y, "rank")}
            )
        )

    def click(event):  # what was clicked on; rank 0 is to be seen, but is no correction
        if event["new"].get("rank") != 0:
            move(event)

    curve, scores, plane = Picture(signals={"alpha": 3}, query=""), Picture(), Picture()
    curve.observe(move, "picked")
    plane.observe(click, "picked")
    return change, curve, decided, get, page, pins, plane, put, put_decided, put_pins, scores, start


@app.cell
def heading(escape, metadata, mo):
    _links = dict(line.split(", ", 1) for line in metadata("rmt_alpha").get_all("Project-URL") or ())
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
        + " · ".join(
            f"<a href='{escape(_links[k])}' target='_blank' rel='noreferrer'>{k}</a>"
            for k in ("Documentation", "Paper")
            if k in _links
        )
        + "</details>"
    )
    return


@app.cell
def tab(mo, start, state):
    tabs = mo.ui.tabs(dict.fromkeys(state.TABS, ""), value=start.tab if start.tab in state.TABS else state.TWO)
    tabs
    return (tabs,)


@app.cell
def answer(curve, decided, escape, get, mo, page, pictures, pins, replace, results, state, tabs):
    # The curve first: it is on the screen before the rest is drawn.
    now, errors = state.settle(replace(get(), tab=tabs.value), page[tabs.value])
    page[tabs.value], (_decision, _wrong) = now, decided()
    errors = {**errors, **(_wrong if now.tab == state.DATA or "link" in _wrong else {})}
    if now.tab == state.DATA:
        shown = results.decided(_decision) if _decision else None
    else:
        shown = results.curve(now)
        if now.simulate:
            try:
                shown = results.simulated(now, shown)
            except state.IMPOSSIBLE as error:
                errors["simulate"] = str(error)
    pinned = {name: results.curve(other) for name, other in pins().items()} if now.tab != state.DATA else {}
    curve.draw(errors=errors, query=now.query(), **(pictures.curve(shown, pinned, now) if shown else {"spec": {}}))
    _wanted = "Choose two CSV files with a header: the same numeric columns, and a label column in both. They stay on this machine."
    mo.Html(
        "".join(f'<p role="alert" class="alert">{escape(text)}</p>' for text in errors.values())
        + "".join(
            f'<p class="words" aria-live="polite">{escape(text)}</p>' for text in (shown.words if shown else (_wanted,))
        )
    )
    return now, pinned, shown


@app.cell
def files(controls, mo, put_decided, results, state, tabs):
    mo.stop(tabs.value != state.DATA)
    uploads = {name: mo.ui.file(filetypes=[".csv"]) for name in ("source", "target")}
    uploads["label"] = mo.ui.text("label", debounce=False, full_width=True)

    def _run(_):
        given = {name: next(iter(uploads[name].value), None) for name in ("source", "target")}
        put_decided(results.decide(given, uploads["label"].value))

    run = mo.ui.button(label="Choose α", on_change=_run)
    mo.vstack([controls.form(uploads), run])
    return


@app.cell
def fields(change, controls, get, replace, tabs):
    fields_kept = controls.fields(replace(get(), tab=tabs.value), change)
    controls.form(fields_kept)
    return


@app.cell
def sliders(change, controls, get, replace, tabs):
    sliders_kept = controls.sliders(replace(get(), tab=tabs.value), change)
    controls.form(sliders_kept, ", slider")
    return


@app.cell
def options(change, controls, get, replace, tabs):
    options_kept = controls.options(replace(get(), tab=tabs.value), change)
    controls.form(options_kept)
    return


@app.cell
def curve_card(curve, mo, page, pictures, put_pins, state, tabs):
    def _keep(_):
        put_pins(lambda old: {**old, pictures.pin_name(page[tabs.value], len(old)): page[tabs.value]})

    pin_buttons = [  # kept, as the other controls are
        mo.ui.button(label="Pin this curve", on_change=_keep),
        mo.ui.button(label="Remove pins", on_change=lambda _: put_pins({})),
    ]
    mo.vstack([mo.ui.anywidget(curve), mo.hstack([] if tabs.value == state.DATA else pin_buttons, justify="start")])
    return


@app.cell
def more(mo, plane, scores, state, tabs):
    mo.stop(tabs.value == state.DATA)
    _kept = {"Scores of the two classes": mo.ui.anywidget(scores), "Around this problem": mo.ui.anywidget(plane)}
    if tabs.value == state.MANY:
        _kept = {"Ranks of the correction": mo.ui.anywidget(plane)}
    mo.Html(
        "<div class='pair'>"
        + "".join(f"<div><h2>{name}</h2>{widget}</div>" for name, widget in _kept.items())
        + "</div>"
    )
    return


@app.cell
def details(escape, mo, now, pictures, pinned, plane, scores, shown, state):
    mo.stop(not shown)
    _said = ""
    try:
        if now.tab == state.TWO:
            scores.draw(**pictures.scores(now, shown))
            plane.draw(**pictures.phase_map(now))
        elif now.tab == state.MANY:
            plane.draw(**pictures.ranks(now, shown))
    except state.IMPOSSIBLE as error:  # the map's range has problems that cannot be, though this one can
        plane.draw(spec={})
        _said = (
            f'<p role="alert" class="alert">No {"map" if now.tab == state.TWO else "ranks"}: {escape(str(error))}</p>'
        )
    mo.Html(_said + "<h2>In numbers</h2>" + pictures.table(shown, pinned))
    return


@app.cell
def take(curve, decided, mo, plane, scores, state, tabs):
    mo.stop(tabs.value == state.DATA and decided()[0] is None)  # nothing yet
    # Each file is made when its button is pressed, from what is on the screen.
    _kinds = {"pdf": "application/pdf", "png": "image/png", "svg": "image/svg+xml", "csv": "text/csv"}
    _pictures = {"curve": curve}
    if tabs.value != state.DATA:
        _pictures |= {"scores": scores, "map": plane} if tabs.value == state.TWO else {"ranks": plane}
    downloads = [
        mo.download(lambda p=picture, k=kind: p.file(k), f"{name}.{kind}", mime, label=f"{name} ({kind.upper()})")
        for name, picture in _pictures.items()
        for kind, mime in _kinds.items()
    ]
    mo.vstack([mo.Html("<h2>Take it with you</h2>"), mo.hstack(downloads, justify="start", wrap=True)])
    return


if __name__ == "__main__":
    app.run()
