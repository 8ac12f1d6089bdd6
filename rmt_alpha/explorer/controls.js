// One state; every control reads it and writes it. The address bar follows, so that it always is the link to this state.
const PAUSE = 30; // milliseconds between two messages while a slider moves

function make(tag, properties = {}, ...children) {
  const { aria, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  if (aria) node.setAttribute("aria-label", aria);
  node.append(...children);
  return node;
}

const tidy = (value, kind) => {
  if (kind === "size") return Math.round(Number(value.toPrecision(3)));
  return Number(kind === "log" ? value.toPrecision(3) : value.toFixed(3));
};

function render({ model, el }) {
  const spec = model.get("layout_of");
  let state = { ...model.get("state") };
  const shows = {}; // name → how its control shows a value

  let last = 0, waiting = null;
  const send = () => {
    last = performance.now();
    waiting = null;
    model.set("state", { ...state });
    model.save_changes();
    history.replaceState(history.state, "", link());
  };
  const changed = () => {
    waiting ??= setTimeout(send, Math.max(0, PAUSE - (performance.now() - last)));
  };
  const set = (name, value) => {
    state[name] = value;
    preset.value = "";
    changed();
  };
  const link = () => `${location.pathname}?${new URLSearchParams(state)}`;
  const showAll = () => Object.entries(shows).forEach(([name, show]) => show(state[name]));

  function parameter([name, symbol, label, low, high, kind]) {
    const isLog = kind !== "linear";
    const to = (v) => (isLog ? Math.log10(Math.max(v, low)) : v);
    const from = (v) => tidy(isLog ? 10 ** v : v, kind);
    const [min, max] = [to(low), to(high)];
    const step = isLog ? 0.02 : high - low > 20 ? 0.1 : 0.01;
    const slider = make("input", { type: "range", min, max, step, id: `${name}-slider`, aria: `${label} (${symbol}), slider` });
    const field = make("input", { type: "number", step: "any", id: name, name });
    const showSlider = (v) => {
      slider.value = to(Number(v));
      slider.setAttribute("aria-valuetext", String(v));
    };
    slider.oninput = () => {
      const value = from(Number(slider.value));
      field.value = value;
      slider.setAttribute("aria-valuetext", String(value));
      set(name, value);
    };
    field.oninput = () => {
      const value = field.value === "" ? "" : Number(field.value);
      showSlider(value);
      set(name, value);
    };
    field.onkeydown = (event) => {
      // A step of the slider, whatever the scale; beyond the slider's ends the field goes by typing.
      const way = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      if (!way) return;
      event.preventDefault();
      way > 0 ? slider.stepUp() : slider.stepDown();
      slider.oninput();
    };
    shows[name] = (v) => {
      field.value = v;
      showSlider(v);
    };
    const words = make("label", { htmlFor: name });
    words.append(make("i", { textContent: symbol }), ` ${label}`);
    return make("div", { className: "parameter" }, words, field, slider);
  }

  function choice(name, [label, options]) {
    const select = make("select", { id: name }, ...options.map(([value, text]) => make("option", { value, textContent: text })));
    select.onchange = () => set(name, select.value);
    shows[name] = (v) => (select.value = v);
    return make("div", { className: "choice" }, make("label", { htmlFor: name, textContent: label }), select);
  }

  function tick(name, label, ...more) {
    const box = make("input", { type: "checkbox", id: name });
    box.onchange = () => set(name, box.checked);
    shows[name] = (v) => (box.checked = v === true);
    return make("div", { className: "tick" }, box, make("label", { htmlFor: name, textContent: label }), ...more);
  }

  function trials() {
    const field = make("input", { type: "number", id: "trials", min: 2, step: "any", aria: "simulated trainings" });
    field.oninput = () => set("trials", field.value === "" ? "" : Number(field.value));
    shows.trials = (v) => (field.value = v);
    return field;
  }

  const preset = make("select", { id: "preset" }, make("option", { value: "", textContent: "a published figure…" }));
  const states = { start: spec.start };
  preset.append(make("option", { value: "start", textContent: "The page's example" }));
  for (const [figure, settings] of spec.presets) {
    const group = make("optgroup", { label: figure });
    for (const [setting, values] of settings) {
      const key = `${figure}, ${setting}`;
      states[key] = values;
      group.append(make("option", { value: key, textContent: setting }));
    }
    preset.append(group);
  }
  preset.onchange = () => {
    if (!(preset.value in states)) return;
    state = { ...states[preset.value], published: state.published || states[preset.value].published, simulate: state.simulate, trials: state.trials };
    showAll();
    changed();
  };

  const copy = make("button", { type: "button", id: "copy", textContent: "Copy link to this state" });
  copy.onclick = async () => {
    const address = new URL(link(), location.href).href;
    try {
      await navigator.clipboard.writeText(address);
      copy.textContent = "Link copied";
    } catch {
      copy.textContent = "Copy it from the address bar";
    }
    setTimeout(() => (copy.textContent = "Copy link to this state"), 1500);
  };

  const form = make("form", { aria: "Settings", onsubmit: (event) => event.preventDefault() });
  form.append(make("div", { className: "choice" }, make("label", { htmlFor: "preset", textContent: "Preset" }), preset));
  for (const [title, rows] of spec.groups) {
    form.append(make("fieldset", {}, make("legend", { textContent: title }), ...rows.map(parameter)));
  }
  form.append(
    make("fieldset", {}, make("legend", { textContent: "Show" }),
      tick("simulate", "simulation; trainings:", trials()),
      tick("published", "the published code's form"),
      ...Object.entries(spec.choices).map(([name, entry]) => choice(name, entry))),
    copy,
  );
  el.append(form);
  showAll();

  const query = matchMedia("(max-width: 760px)");
  const measure = () => {
    model.set("narrow", query.matches);
    model.save_changes();
  };
  query.addEventListener("change", measure);
  if (query.matches !== model.get("narrow")) measure();
  return () => query.removeEventListener("change", measure);
}

export default { render };
