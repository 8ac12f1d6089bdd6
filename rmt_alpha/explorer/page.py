# /// script
# [tool.marimo.display]
# theme = "system"
# ///
import marimo

app = marimo.App(width="full", app_title="rmt_alpha: the best α", css_file="page.css")

with app.setup:
    from dataclasses import replace
    from importlib.metadata import metadata

    import marimo as mo

    from rmt_alpha.explorer import controls, pictures, results
    from rmt_alpha.explorer.picture import Picture
    from rmt_alpha.explorer.state import DATA, IMPOSSIBLE, TABS, TWO, State, read, settle


@app.cell
def heading():
    # One state, which every control changes and every picture follows. `page` keeps each tab's last possible one.
    _given = {name: value for name, value in mo.query_params().to_dict().items() if name != "access_token"}
    try:
        start, link_error = State.from_query(_given), {}
    except ValueError as error:
        start, link_error = State(), {"link": str(error)}
    get, put = mo.state(start)
    peek = lambda: get()  # noqa: E731 (a cell that names `get` itself is run again whenever the state changes)
    pins, put_pins = mo.state({})
    decided, put_decided = mo.state((None, {}))
    page, simulations = {tab: State(tab=tab) for tab in TABS}, {None: ()}
    curve, below = Picture(), Picture()

    def change(name):
        return lambda value: put(lambda old: replace(old, **{name: read(value)}))

    def move(event):  # the pointer's answer, as far as it is part of the state; rank 0 is seen, but is no correction
        new = {name: value for name, value in event["new"].items() if hasattr(start, name)}
        put(lambda old: old if new.get("rank") == 0 else replace(old, **new))

    curve.observe(move, "picked")
    below.observe(move, "picked")
    tabs = mo.ui.tabs(dict.fromkeys(TABS, ""), value=start.tab if start.tab in TABS else TWO)
    _urls = (line.split(", ", 1) for line in metadata("rmt_alpha").get_all("Project-URL") or ())
    _links = (f"<a href='{url}' target='_blank'>{k}</a>" for k, url in _urls if "example.org" not in url)  # no home yet
    _text = f"""
# The best scale for a frozen classifier

Fine-tune *w = α·w̃ + a* on little target data: which α is best, and what does α = 1 cost?

<details class='help'><summary>Help</summary><ul>
<li>Drag on the curve, or move the slider, to set your α; point at it to read values.</li>
<li>Click on the map to move the problem there (the ring is where it is), on the ranks from 1 up to take one.</li>
<li>Number fields take any number (also 1e6). What is impossible is said and marked; the picture keeps the last
possible value.</li>
<li>Pin a curve to compare it with what you change next. While this explorer runs, the address is a link to what you
see, in this browser.</li>
<li>α* has the largest accuracy, ᾱ is no better than chance. Norms are in standard deviations of the noise.</li>
<li>Your data stay on this machine: two CSV files with a header, the same numeric columns and one of labels.</li></ul>
{" · ".join(_links)}</details>
"""
    mo.vstack([mo.md(_text), tabs])
    return below, change, curve, decided, get, link_error, page, peek, pins, put_decided, put_pins, simulations, tabs


@app.cell
def answer(below, curve, decided, fields_kept, get, link_error, page, pins, simulations, sliders_kept, tabs):
    # What takes longer comes later: the curve, the picture below it, the simulation, which stays while α is dragged.
    now, _errors = settle(replace(get(), tab=tabs.value), page[tabs.value])
    page[now.tab], _key = now, replace(now, alpha=0) if now.simulate and now.tab != DATA else None
    if now.tab == DATA:
        (_decision, _wrong), pinned = decided(), {}
        shown = results.decided(_decision)
    else:
        _range = {"alpha_low": now.alpha_low, "alpha_high": now.alpha_high}
        shown, _wrong = results.curve(now), {}
        pinned = {name: results.curve(replace(other, **_range)) for name, other in pins().items()}
    _errors |= link_error | _wrong

    def _draw(points=shown.points, *notes):
        curve.draw(**pictures.curve(replace(shown, points=points), pinned, now), errors=_errors, query=now.query())
        words = controls.said(_errors.values(), "alert") + controls.said([*shown.words, *notes], "status")
        mo.output.replace(mo.Html(words))

    _draw(*simulations.get(_key, (shown.points, "Simulating …")))
    controls.follow(get(), fields_kept, sliders_kept)
    if now.tab != DATA:
        below.draw(**(pictures.phase_map(now) if now.tab == TWO else pictures.ranks(now, shown)))
    if _key not in simulations:
        try:
            simulations[_key] = results.simulated(now)
        except IMPOSSIBLE as error:
            _errors["simulate"] = str(error)
        _draw(*simulations.get(_key, ()))
    return pinned, shown


@app.cell
def curve_card(curve, decided, page, put_pins, tabs):
    def _keep(_):
        put_pins(lambda old: {**old, pictures.pin_name(page[tabs.value], len(old)): page[tabs.value]})

    pin_buttons = [
        mo.ui.button(label="Pin this curve", on_change=_keep),
        mo.ui.button(label="Remove pins", on_change=lambda _: put_pins({})),
    ]
    if tabs.value == DATA:
        pin_buttons = []
    controls.card(curve, "curve", pin_buttons, ready=tabs.value != DATA or decided()[0] is not None)
    return


@app.cell
def files(put_decided, tabs):
    mo.stop(tabs.value != DATA)
    _gone = lambda _: put_decided((None, {}))  # noqa: E731 (what was found in other files, or of another column)
    uploads = {name: mo.ui.file(filetypes=[".csv"], on_change=_gone) for name in ("source", "target")}
    uploads["label"] = mo.ui.text("label", debounce=False, on_change=_gone, full_width=True)

    def _run(_):
        given = {name: next(iter(uploads[name].value), None) for name in ("source", "target")}
        put_decided(results.decide(given, uploads["label"].value))

    run = mo.ui.button(label="Choose α", on_change=_run)
    mo.vstack([controls.form(uploads), run])
    return


@app.cell
def fields(change, peek, tabs):
    fields_kept = controls.fields(replace(peek(), tab=tabs.value), change)
    controls.form(fields_kept)
    return (fields_kept,)


@app.cell
def sliders(change, peek, tabs):
    sliders_kept = controls.sliders(replace(peek(), tab=tabs.value), change)
    controls.form(sliders_kept, ", slider")
    return (sliders_kept,)


@app.cell
def below_card(below, tabs):
    mo.stop(tabs.value == DATA)
    _title, _name = ("Around this problem", "map") if tabs.value == TWO else ("Ranks of the correction", "ranks")
    mo.vstack([mo.md(f"## {_title}"), controls.card(below, _name)])
    return


@app.cell
def details(pinned, shown):
    mo.stop(shown.marks.empty)
    mo.md(f"## In numbers\n\n{pictures.table(shown, pinned)}")
    return


if __name__ == "__main__":
    app.run()
