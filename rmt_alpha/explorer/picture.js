// A Vega-Lite picture that stays while its tables change: they come from Python as JSON; pointer answers go back.
// `vegaEmbed` is put before these lines by vl-convert.
const AT = "clamp(invert('x', x()), domain('x')[0], domain('x')[1])";
const POINTER = {
  alpha: [{ events: "pointerdown, [pointerdown, window:pointerup] > window:pointermove", update: AT }],
  hover: [{ events: "pointermove", update: AT }, { events: "pointerleave", update: "null" }],
};

async function render({ model, el }) {
  const box = el.appendChild(document.createElement("div"));
  box.className = "picture";
  box.setAttribute("role", "img");

  let last, waiting = null;
  const answer = (picked) => {
    last = picked; // set when it is sent: what Python says in between would undo it
    waiting ??= setTimeout(() => {
      waiting = null;
      model.set("picked", last);
      model.save_changes();
    }, 50);
  };

  let view, drawn, filled;
  const draw = async ({ spec, tables, signals, label }) => {
    if (!spec.layer) return view?.finalize(), box.replaceChildren(), (drawn = null);
    const fresh = JSON.stringify(spec) !== drawn;
    if (fresh) {
      view?.finalize();
      const patch = (made) => (made.signals.forEach((s) => { if (s.name in POINTER) s.on = POINTER[s.name]; }), made);
      const datasets = Object.fromEntries(Object.keys(tables).map((name) => [name, JSON.parse(tables[name])]));
      const tooltip = { theme: document.querySelector(".dark") ? "dark" : "light" };
      view = (await vegaEmbed(box, { ...spec, datasets }, { actions: false, renderer: "svg", logLevel: 1, tooltip, patch })).view;
      drawn = JSON.stringify(spec);
      box.querySelector("svg").setAttribute("aria-hidden", true); // the label says it
      if ("alpha" in signals) view.addSignalListener("alpha", (_, alpha) => alpha !== model.get("shown").signals.alpha && answer({ alpha }));
      else view.addEventListener("click", (_, item) => item?.datum && answer({ ...item.datum }));
    } else for (const name in tables) if (tables[name] !== filled[name]) view.data(name, JSON.parse(tables[name]));
    filled = tables;
    for (const [name, value] of Object.entries(signals)) view.signal(name, value);
    await view.runAsync();
    box.setAttribute("aria-label", label);
    box.setAttribute("data-drawn", JSON.stringify(signals));
  };
  let drawing = Promise.resolve();
  const update = () => (drawing = drawing.then(() => model.get("shown").spec && draw(model.get("shown"))));
  model.on("change:shown", update);

  // What is wrong is said at its field, which marimo's controls cannot do by themselves; they are drawn anew now and then.
  const mark = () => {
    const { errors, query } = model.get("shown");
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
    const address = query ? `?${query}` : location.pathname;
    if (address !== (location.search || location.pathname)) history.replaceState(history.state, "", address); // browsers count these
  };
  const timer = setInterval(() => model.get("shown").errors && mark(), 100);
  update();
  return () => { clearInterval(timer); view?.finalize(); };
}

export default { render };
