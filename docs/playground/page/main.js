// The page: reads controls, asks the engine, shows what it says.

const params = new URLSearchParams(location.search);
const hash = new URLSearchParams(location.hash.slice(1));
// The language that was asked for, or the browser's.
const asked = [params.get("lang"), hash.get("lang")].find((name) => Object.hasOwn(TEXTS, name || ""));
const language = asked || (navigator.language.startsWith("zh") ? "zh" : "en");
const words = TEXTS[language];
const at = (id) => document.getElementById(id);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const short = (x) => (!Number.isFinite(x) ? "–" : Math.abs(x) < 1e-4 && x !== 0 ? x.toExponential(1) : x.toFixed(x < 10 ? 3 : 1));

// The settings in the engine's order. A slider's position is turned into a value by `value`, and back by `place`.
const log = { value: (p) => +(10 ** p).toPrecision(2), place: Math.log10 };
const plain = { value: (p) => p, place: (v) => v };
const SETTINGS = [
  { name: "relatedness", min: 0, max: 1, step: 0.05, ...plain },
  { name: "noise", min: 0, max: 1.5, step: 0.05, ...plain },
  { name: "rows", min: Math.log10(8), max: 3, step: 0.01, value: (p) => Math.round(10 ** p), place: Math.log10 },
  { name: "missing", min: 0, max: 0.95, step: 0.05, ...plain },
  { name: "scale", min: -1, max: 1.5, step: 0.05, ...log },
  { name: "width", min: 1, max: 32, step: 1, ...plain },
  { name: "sharing", choices: "sharing" },
  { name: "method", choices: "method" },
  { name: "optimiser", choices: "optimiser" },
  { name: "rate", min: -4, max: 0, step: 0.05, ...log },
  { name: "seed", number: true },
];
const SHARED_TRUNK = 0;
// How many steps a link may ask for, and how many milliseconds they may take.
const MOST_STEPS = 5000, PATIENCE = 20_000;

let engine, running = false, stop = -1, answering = false, speed = 1, steps = 0, diverged = false;
let curves = [], frames = 0;

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = false;
}

async function load() {
  const packed = Uint8Array.from(atob(WASM), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const { instance } = await WebAssembly.instantiate(await new Response(stream).arrayBuffer(), {});
  return instance.exports;
}

const floats = (place, n) => new Float32Array(engine.memory.buffer, place, n);

// The engine's figures by name, in the order in which it lists them.
function figures() {
  const f = new Float64Array(engine.memory.buffer, engine.figures(), engine.n_figures());
  let next = 0;
  const one = () => f[next++], two = () => [one(), one()];
  return {
    step: one(), losses: two(), errors: two(), lossesApart: two(), errorsApart: two(),
    parameters: [one(), one(), one()], conflicts: two(), cosine: one(), gradients: [two(), two()],
    projected: [two(), two()], direction: two(), weights: two(), served: two(),
  };
}

function reset() {
  engine.reset();
  [steps, diverged, curves] = [0, false, []];
  at("said").textContent = "";
  look();
  judge();
}

function advance(n) {
  if (diverged) return;
  const taken = engine.step(n);
  steps += taken;
  if (taken < n) {
    diverged = true;
    run(false);
    at("said").textContent = words.diverged;
  }
}

function run(on) {
  running = on && !diverged;
  at("run").textContent = running ? words.pause : words.run;
  at("run").setAttribute("aria-pressed", running);
  if (running) return requestAnimationFrame(frame);
  look();
  remember();
}

function frame() {
  if (!running) return;
  // A stop is judged at its step, so no frame goes past it.
  const end = stop >= 0 ? engine.stop_steps(stop) : Infinity;
  advance(steps < end ? Math.min(speed, end - steps) : speed);
  look();
  if (steps === end) {
    run(false);
    judge();
  }
  if (running) requestAnimationFrame(frame);
}

function judge() {
  if (stop < 0) return;
  const texts = words.stops[stop], end = engine.stop_steps(stop);
  const [yes, no] = answering ? [texts.answered, texts.notAnswered] : [texts.holds, texts.fails];
  const isReached = steps === end, holds = isReached && engine.holds(stop, answering);
  at("verdict").textContent = isReached ? (holds ? `✓ ${yes}` : `✗ ${no}`) : steps < end ? fill(words.waiting, { at: end }) : "";
  if (isReached) at("verdict").dataset.holds = Boolean(holds);
  else delete at("verdict").dataset.holds;
}

function look() {
  // The units change slowly and take a third of the time: while the page runs, they are looked at now and then.
  const withUnits = !running || ++frames % 6 === 1;
  if (!engine.look(withUnits)) return;
  const f = figures(), side = engine.side(), points = side * side, n = engine.get(5);
  const targets = floats(engine.targets(), 2 * points), predictions = floats(engine.predictions(), 2 * points);
  const rows = floats(engine.rows(), 4 * engine.n_rows());
  ["a", "b"].forEach((task, k) => {
    const target = targets.subarray(k * points, (k + 1) * points);
    const low = target.reduce((x, y) => Math.min(x, y)), high = target.reduce((x, y) => Math.max(x, y));
    drawField(at(`target-${task}`), target, side, low, high, [], k);
    drawField(at(`predicted-${task}`), predictions.subarray(k * points, (k + 1) * points), side, low, high, rows, k);
    for (const what of ["target", "predicted"]) {
      const caption = words[what + task.toUpperCase()];
      at(`${what}-${task}`).setAttribute("aria-label", fill(words.fieldLabel, { what: caption, low: short(low), high: short(high) }));
    }
  });
  if (f.step === steps && (curves.length === 0 || curves[curves.length - 1].step < f.step)) curves.push(f);
  const draw = (id, own, apart, caption) => {
    const points = (key, k) => curves.filter((c) => c.step > 0 || key.startsWith("errors")).map((c) => [c.step, c[key][k]]);
    const [dashed, solid] = [[5, 4], []];
    drawCurves(at(id), [
      { points: points(apart, 0), colour: A, dashes: dashed }, { points: points(apart, 1), colour: B, dashes: dashed },
      { points: points(own, 0), colour: A, dashes: solid }, { points: points(own, 1), colour: B, dashes: solid },
    ]);
    const [a, b] = f[own].map(short), [aApart, bApart] = f[apart].map(short);
    at(id).setAttribute("aria-label", fill(words.curveLabel, { what: caption, a, b, aApart, bApart, step: f.step }));
    return { a, b, aApart, bApart, step: f.step };
  };
  draw("losses", "losses", "lossesApart", words.lossesCaption);
  at("numbers").textContent = fill(words.numbers, draw("errors", "errors", "errorsApart", words.errorsCaption));
  lookAtArrows(f);
  const groups = engine.get(6) === SHARED_TRUNK ? 1 : 2;
  if (withUnits) drawUnits(at("units"), floats(engine.units(), 2 * n * points), side, n, groups);
  at("units-text").textContent = fill(groups === 1 ? words.unitsShared : words.unitsOwn, { n });
  at("units").setAttribute("aria-label", at("units-text").textContent);
  const [shared, a, b] = f.parameters;
  at("parameters").textContent = fill(words.parameters, { shared, a, b });
  [...at("bar").children].forEach((part, i) => (part.style.flexGrow = f.parameters[i]));
}

function lookAtArrows(f) {
  const isShared = f.parameters[0] > 0;
  const arrows = [
    { to: f.projected[0], colour: A, dashes: [4, 4], name: "", thick: 1.5 },
    { to: f.projected[1], colour: B, dashes: [4, 4], name: "", thick: 1.5 },
    { to: f.direction, colour: INK, dashes: [], name: "d", thick: 3 },
    { to: f.gradients[0], colour: A, dashes: [], name: "A", thick: 3 },
    { to: f.gradients[1], colour: B, dashes: [], name: "B", thick: 3 },
  ];
  drawArrows(at("arrows"), isShared && f.step > 0 ? (f.cosine < 0 ? arrows : arrows.slice(2)) : []);
  const does = (k) => (f.served[k] < 0 ? words.raises : words.lowers);
  at("arrows-said").textContent = !isShared ? words.nothingShared : f.step === 0 ? words.notYet : fill(words.arrowsSaid, {
    cosine: f.cosine.toFixed(2), wa: short(f.weights[0]), wb: short(f.weights[1]), doesA: does(0), doesB: does(1),
    conflicts: f.conflicts[0], opposed: f.conflicts[1], steps: f.step,
  });
  at("arrows").setAttribute("aria-label", at("arrows-said").textContent);
}

// The address holds every setting, the stop and the step: whoever opens it sees the same numbers.
function remember() {
  const state = new URLSearchParams();
  SETTINGS.forEach(({ name }, i) => state.set(name, engine.get(i)));
  if (stop >= 0) state.set("stop", answering ? `${stop + 1}+` : stop + 1);
  state.set("steps", steps);
  if (asked) state.set("lang", asked);
  history.replaceState(null, "", `#${state}`);
  document.querySelectorAll("[data-lang]").forEach((link) => {
    state.delete("lang");
    link.href = `?lang=${link.dataset.lang}#${state}`;
  });
}

function recall() {
  engine.preset(engine.n_stops());
  SETTINGS.forEach(({ name }, i) => hash.has(name) && engine.set(i, Number(hash.get(name))));
  const named = (hash.get("stop") || "").match(/^([1-9])(.*)$/);
  if (named && named[1] <= engine.n_stops()) showStop(named[1] - 1, named[2] !== "");
  reset();
  const wanted = Math.min(MOST_STEPS, Math.max(0, Math.floor(Number(hash.get("steps")) || 0)));
  // In pieces, so that the curves have points.
  const piece = Math.max(1, Math.ceil(wanted / 200)), end = performance.now() + PATIENCE;
  while (steps < wanted && !diverged && performance.now() < end) {
    advance(Math.min(piece, wanted - steps));
    engine.look(false);
    curves.push(figures());
  }
  look();
  judge();
}

function showStop(which, isAnswer) {
  [stop, answering] = [which, isAnswer];
  const texts = words.stops[which];
  at("stop").hidden = false;
  at("stop-text").textContent = texts.text;
  at("stop-question").textContent = texts.question;
  [...at("stops").children].forEach((button, i) => button.setAttribute("aria-pressed", i === which));
}

function leaveStop() {
  stop = -1;
  at("stop").hidden = true;
  [...at("stops").children].forEach((button) => button.setAttribute("aria-pressed", false));
}

function begin(which, isAnswer) {
  engine.preset(which);
  if (isAnswer) engine.answer(which);
  showStop(which, isAnswer);
  readControls();
  reset();
  run(true);
}

const shown = {
  relatedness: (v) => v.toFixed(2), noise: (v) => v.toFixed(2), missing: (v) => `${Math.round(100 * v)} %`,
  scale: (v) => `× ${+v.toPrecision(2)}`, rate: (v) => String(+v.toPrecision(2)),
};
const show = (name, value) => (shown[name] || String)(value);

// Puts the engine's settings into the controls.
function readControls() {
  SETTINGS.forEach((setting, i) => {
    const value = engine.get(i), input = at(setting.name);
    input.value = setting.place ? setting.place(value) : value;
    if (setting.place) {
      at(`${setting.name}-value`).textContent = show(setting.name, value);
      input.setAttribute("aria-valuetext", show(setting.name, value));
    }
  });
}

function makeControls() {
  SETTINGS.forEach((setting, i) => {
    const box = document.createElement("div"), label = document.createElement("label");
    box.className = "setting";
    label.htmlFor = setting.name;
    label.append(words.settings[setting.name]);
    const input = document.createElement(setting.choices ? "select" : "input");
    input.id = setting.name;
    if (setting.choices) {
      words[setting.choices].forEach((name, k) => input.append(new Option(name, k)));
    } else if (setting.number) {
      Object.assign(input, { type: "number", min: 0, max: 999999, step: 1 });
    } else {
      Object.assign(input, { type: "range", min: setting.min, max: setting.max, step: setting.step });
      const output = document.createElement("output");
      output.id = `${setting.name}-value`;
      output.htmlFor = setting.name;
      label.append(output);
    }
    input.addEventListener("input", () => {
      const position = Number(input.value);
      engine.set(i, setting.value ? setting.value(position) : position);
      // What was changed by hand is no stop any more.
      leaveStop();
      readControls();
      reset();
      if (!running) remember();
    });
    box.append(label, input);
    at("settings").append(box);
  });
  const box = document.createElement("div");
  box.className = "setting";
  box.innerHTML = `<label for="speed"></label><select id="speed"></select>`;
  box.firstChild.textContent = words.settings.speed;
  [1, 2, 5, 20].forEach((n) => box.lastChild.append(new Option(n, n)));
  box.lastChild.addEventListener("input", (event) => (speed = Number(event.target.value)));
  at("settings").append(box);
}

function makePage() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = words.title;
  document.querySelectorAll("[data-text]").forEach((element) => (element.textContent = words[element.dataset.text]));
  document.querySelectorAll("[data-lang]").forEach((link) => {
    if (link.dataset.lang === language) link.setAttribute("aria-current", "true");
  });
  at("ramp").style.background = `linear-gradient(to right, ${CIVIDIS.join(",")})`;
  words.stops.forEach(({ name }, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${i + 1} ${name}`;
    button.setAttribute("aria-pressed", false);
    button.addEventListener("click", () => begin(i, false));
    at("stops").append(button);
  });
  at("stop-answer").addEventListener("click", () => begin(stop, true));
  at("run").textContent = words.run;
  at("run").addEventListener("click", () => run(!running));
  at("step").addEventListener("click", () => {
    run(false);
    advance(1);
    look();
    judge();
    remember();
  });
  at("reset").addEventListener("click", () => {
    run(false);
    reset();
    remember();
  });
  at("link").addEventListener("click", () => {
    remember();
    const say = (text) => (at("said").textContent = text);
    if (!navigator.clipboard) return say(words.notCopied);
    navigator.clipboard.writeText(location.href).then(() => say(words.copied), () => say(words.notCopied));
  });
  window.addEventListener("resize", () => !running && engine && look());
}

async function main() {
  makePage();
  if (typeof WebAssembly === "undefined" || typeof DecompressionStream === "undefined") return trouble(words.noWasm);
  try {
    engine = await load();
  } catch (error) {
    return trouble(`${words.noWasm} (${error})`);
  }
  window.addEventListener("error", ({ message }) => {
    running = false;
    trouble(fill(words.crashed, { why: message }));
  });
  makeControls();
  recall();
  readControls();
  remember();
  document.body.dataset.ready = Math.round(performance.now());
}

main();
