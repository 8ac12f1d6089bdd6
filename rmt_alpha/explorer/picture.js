// A Vega-Lite picture that stays while its data change: tables and signals come from Python, pointer answers go back.
// `vegaEmbed` is put before these lines by vl-convert.
const rows = (columns) => {
  const names = Object.keys(columns);
  return names.length ? columns[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, columns[name][i]]))) : [];
};

async function render({ model, el }) {
  const box = document.createElement("div");
  box.className = "picture";
  box.setAttribute("role", "img");
  el.append(box);
  let view = null;

  let waiting = null, last = null;
  const answer = (picked) => {
    last = picked; // set when it is sent: what Python says in between would undo it
    waiting ??= setTimeout(() => {
      waiting = null;
      model.set("picked", last);
      model.save_changes();
    }, 50);
  };
  let pending = false; // one message changes several traits, each with an event of its own
  let drawn = null, filled = {}, drawing = Promise.resolve();
  const update = () => {
    if (!pending) drawing = drawing.then(step);
    pending = true;
  };
  const step = async () => {
    pending = false;
    const spec = model.get("spec"), tables = model.get("tables");
    if (!spec.layer) return view?.finalize(), box.replaceChildren(), (drawn = view = null);
    box.setAttribute("aria-label", model.get("label"));
    const datasets = Object.fromEntries(Object.keys(spec.datasets).map((name) => [name, rows(tables[name])]));
    const texts = Object.fromEntries(Object.keys(datasets).map((name) => [name, JSON.stringify(tables[name])]));
    if (spec !== drawn) await embed({ ...(drawn = spec), datasets });
    else for (const name in datasets) if (texts[name] !== filled[name]) view.data(name, datasets[name]); // a map is slow to draw
    filled = texts;
    for (const [name, value] of Object.entries(model.get("signals"))) view.signal(name, value);
    await view.runAsync();
    box.setAttribute("data-drawn", JSON.stringify(model.get("signals")));
  };
  const embed = async (spec) => {
    view?.finalize();
    const theme = document.querySelector(".dark") ? "dark" : "light";
    view = (await vegaEmbed(box, spec, { actions: false, renderer: "svg", logLevel: 1, tooltip: { theme } })).view;
    box.querySelector("svg").setAttribute("aria-hidden", true); // the label says it
    listen();
  };

  // α under the pointer, where the picture has an α to drag; else what was clicked on.
  const listen = () => {
    if (!("alpha" in model.get("signals"))) {
      view.addEventListener("click", (event, item) => item?.datum && answer({ ...item.datum }));
      return;
    }
    let dragging = false;
    const at = (event) => {
      const [low, high] = view.scale("x").domain();
      const alpha = view.scale("x").invert(event.clientX - box.querySelector("svg").getBoundingClientRect().left - view.origin()[0] - view.padding().left);
      return Math.min(high, Math.max(low, Number((alpha - low).toPrecision(3)) + low));
    };
    const drag = (event) => {
      const alpha = Number(at(event).toPrecision(4));
      view.signal("alpha", alpha).signal("hover", null).runAsync();
      answer({ alpha });
    };
    box.onpointerdown = (event) => { dragging = true; box.setPointerCapture(event.pointerId); drag(event); };
    box.onpointermove = (event) => (dragging ? drag(event) : view.signal("hover", at(event)).runAsync());
    box.onpointerup = box.onpointercancel = () => (dragging = false);
    box.onpointerleave = () => view.signal("hover", null).runAsync();
  };
  for (const trait of ["spec", "tables", "signals", "label"]) model.on(`change:${trait}`, update);

  // What is wrong is said at its field, which marimo's controls cannot do by themselves; they are drawn anew now and then.
  const mark = () => {
    document.querySelector("#App")?.setAttribute("role", "main");
    const errors = model.get("errors");
    for (const row of document.querySelectorAll("[data-field]")) {
      const control = row.lastElementChild.querySelector("*")?.shadowRoot ?? row.lastElementChild.shadowRoot;
      for (const input of control?.querySelectorAll("input, [role=slider], select, button") ?? []) {
        if (input.matches(".text-destructive")) input.style.color = "inherit"; // red on the page is too faint to read
        else input.setAttribute("aria-label", row.dataset.label);
        if (input.matches("input")) input.setAttribute("aria-invalid", row.dataset.field in errors);
        if (input.matches("[role=presentation]")) input.removeAttribute("role");
      }
      row.classList.toggle("invalid", row.dataset.field in errors);
    }
    const query = model.get("query") ? `?${model.get("query")}` : location.pathname;
    if (query !== (location.search || location.pathname)) history.replaceState(history.state, "", query); // browsers count these
  };
  const timer = model.get("query") === null ? null : setInterval(mark, 100);
  update();
  return () => { clearInterval(timer); view?.finalize(); };
}

export default { render };
