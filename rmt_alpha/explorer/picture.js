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

  let waiting = null;
  const answer = (picked) => {
    model.set("picked", picked);
    waiting ??= setTimeout(() => { waiting = null; model.save_changes(); }, 50);
  };
  let pending = false; // one message changes several traits, each with an event of its own
  const update = () => {
    if (!pending) queueMicrotask(fill);
    pending = true;
  };
  const fill = () => {
    pending = false;
    box.setAttribute("aria-label", model.get("label"));
    if (!view) return draw();
    for (const [name, columns] of Object.entries(model.get("tables"))) view.data(name, rows(columns));
    for (const [name, value] of Object.entries(model.get("signals"))) view.signal(name, value);
    view.runAsync().then(() => box.setAttribute("data-drawn", JSON.stringify(model.get("signals"))));
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
  let drawing = Promise.resolve();
  const draw = () => (drawing = drawing.then(embed));
  const embed = async () => {
    if (!Object.keys(model.get("tables")).length) return;
    const dark = document.querySelector(".dark") !== null;
    view?.finalize();
    const datasets = Object.fromEntries(Object.entries(model.get("tables")).map(([name, columns]) => [name, rows(columns)]));
    view = (await vegaEmbed(box, { ...model.get("spec"), datasets }, { actions: false, renderer: "svg", logLevel: 1, tooltip: { theme: dark ? "dark" : "light" } })).view;
    listen();
    update();
  };

  model.on("change:spec", draw);
  for (const trait of ["tables", "signals", "label"]) model.on(`change:${trait}`, update);

  // What is wrong is said at its field, which marimo's controls cannot do by themselves; they are drawn anew now and then.
  const mark = () => {
    const errors = model.get("errors");
    for (const row of document.querySelectorAll("[data-field]")) {
      const input = row.querySelector("marimo-text, marimo-slider, marimo-dropdown, marimo-switch")?.shadowRoot?.querySelector("input, [role=slider], select, button");
      input?.setAttribute("aria-label", row.dataset.label);
      if (input?.matches("input")) input.setAttribute("aria-invalid", row.dataset.field in errors);
      row.classList.toggle("invalid", row.dataset.field in errors);
    }
    const query = model.get("query") ? `?${model.get("query")}` : location.pathname;
    if (query !== (location.search || location.pathname)) history.replaceState(history.state, "", query); // browsers count these
  };
  const timer = model.get("query") === null ? null : setInterval(mark, 100);
  await draw();
  return () => { clearInterval(timer); view?.finalize(); };
}

export default { render };
