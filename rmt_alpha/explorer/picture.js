// A Vega-Lite picture that stays while its tables change: they come from Python as JSON; pointer answers go back.
// `vegaEmbed` is put before these lines by vl-convert.
const STEPS = "pow(10, 3 - floor(log(span(domain('x'))) / LN10))"; // per 1: at least a thousand in the range
const AT = `clamp(round(invert('x', x()) * ${STEPS}) / ${STEPS}, domain('x')[0], domain('x')[1])`;
const POINTER = {
  alpha: [{ events: "pointerdown, [pointerdown, window:pointerup] > window:pointermove", update: AT }],
  hover: [{ events: "pointermove", update: AT }, { events: "pointerleave", update: "null" }],
};
const patch = (vega) => (vega.signals.forEach((s) => { if (s.name in POINTER) s.on = POINTER[s.name]; }), vega);

// What is wrong is said at its field, which marimo's controls, drawn anew now and then, cannot do by themselves.
function mark({ errors, query }) {
  document.querySelector("#App")?.setAttribute("role", "main");
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
  const address = query ? `?${query}` : location.pathname; // browsers count how often it changes
  if (address !== (location.search || location.pathname)) history.replaceState(history.state, "", address);
}

function render({ model, el }) {
  const box = el.appendChild(Object.assign(document.createElement("div"), { className: "picture", role: "img" }));
  let view, drawn, filled, last, waiting = null;
  const answer = (picked) => {
    last = picked; // set when it is sent: what Python says in between would undo it
    waiting ??= setTimeout(() => {
      waiting = null;
      model.set("picked", last);
      model.save_changes();
    }, 50);
  };
  const draw = async ({ spec, tables, signals, label }) => {
    if (!spec.layer) return view?.finalize(), box.replaceChildren(), (drawn = null);
    if (JSON.stringify(spec) !== drawn) {
      view?.finalize();
      const datasets = Object.fromEntries(Object.entries(tables).map(([name, rows]) => [name, JSON.parse(rows)]));
      const tooltip = { theme: document.querySelector(".dark") ? "dark" : "light" };
      const how = { actions: false, renderer: "svg", logLevel: 1, tooltip, patch };
      view = (await vegaEmbed(box, { ...spec, datasets }, how)).view;
      drawn = JSON.stringify(spec);
      box.querySelector("svg").setAttribute("aria-hidden", true); // the label says it
      const moved = (_, alpha) => alpha !== model.get("shown").signals.alpha && answer({ alpha });
      if ("alpha" in signals) view.addSignalListener("alpha", moved);
      else view.addEventListener("click", (_, item) => item?.datum && answer({ ...item.datum }));
    } else for (const name in tables) if (tables[name] !== filled[name]) view.data(name, JSON.parse(tables[name]));
    filled = tables;
    for (const name in signals) view.signal(name, signals[name]);
    await view.runAsync();
    box.setAttribute("aria-label", label);
    box.setAttribute("data-drawn", JSON.stringify(signals));
  };
  let drawing = Promise.resolve();
  const update = () => (drawing = drawing.then(() => model.get("shown").spec && draw(model.get("shown"))));
  model.on("change:shown", update);
  update();
  const timer = setInterval(() => model.get("shown").errors && mark(model.get("shown")), 100);
  return () => { clearInterval(timer); view?.finalize(); };
}

export default { render };
