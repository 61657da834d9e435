// Drawing: fields, curves and arrows on canvases. Nothing here computes what is drawn.

const INK = "#222", LIGHT = "#ddd", A = "#0072b2", B = "#c04d00";
// Cividis: ordered by lightness, and the same to the colour-blind.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const PALETTE = palette(CIVIDIS);

function palette(stops) {
  const channel = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2), part = at - low;
    return [0, 1, 2].map((c) => Math.round((1 - part) * channel(stops[low], c) + part * channel(stops[low + 1], c)));
  });
}

// A canvas with a pixel for each pixel of the screen, and its size in CSS pixels.
function sized(canvas) {
  const ratio = window.devicePixelRatio || 1, { width, height } = canvas.getBoundingClientRect();
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

const small = document.createElement("canvas");

// Values of a side × side grid, as colours from low to high.
function paint(context, values, side, low, high, x, y, size) {
  if (small.width !== side) small.width = small.height = side;
  const pixels = small.getContext("2d"), image = pixels.createImageData(side, side);
  const factor = 255 / (high - low || 1);
  for (let i = 0; i < values.length; i++) {
    const colour = PALETTE[Math.max(0, Math.min(255, Math.round((values[i] - low) * factor)))] || PALETTE[0];
    image.data.set(colour, 4 * i);
    image.data[4 * i + 3] = 255;
  }
  pixels.putImageData(image, 0, 0);
  context.drawImage(small, x, y, size, size);
}

function drawField(canvas, values, side, low, high, rows, label) {
  const { context, width } = sized(canvas);
  paint(context, values, side, low, high, 0, 0, width);
  const radius = Math.max(1.5, width / 70), factor = 255 / (high - low || 1);
  for (let i = 0; i < rows.length; i += 4) {
    const value = rows[i + 2 + label];
    if (Number.isNaN(value)) continue;
    const [r, g, b] = PALETTE[Math.max(0, Math.min(255, Math.round((value - low) * factor)))];
    context.beginPath();
    context.arc(((rows[i] + 1) / 2) * width, ((1 - rows[i + 1]) / 2) * width, radius, 0, 2 * Math.PI);
    context.fillStyle = `rgb(${r} ${g} ${b})`;
    context.fill();
    context.lineWidth = 1.2;
    context.strokeStyle = "#fff";
    context.stroke();
    context.lineWidth = 0.6;
    context.strokeStyle = "#000";
    context.stroke();
  }
}

// Curves over steps on a logarithmic axis. Each is { points: [[step, value]], colour, dashes }.
function drawCurves(canvas, curves) {
  const { context, width, height } = sized(canvas);
  const left = 46, right = 8, top = 6, bottom = 20;
  const values = curves.flatMap(({ points }) => points.map(([, y]) => y)).filter((y) => y > 0 && Number.isFinite(y));
  const last = Math.max(50, ...curves.map(({ points }) => (points.length ? points[points.length - 1][0] : 0)));
  let low = Math.log10(Math.min(1, ...values)), high = Math.log10(Math.max(1, ...values));
  low = Math.max(low, high - 6);
  const pad = 0.05 * (high - low) + 0.05;
  [low, high] = [low - pad, high + pad];
  const x = (step) => left + (step / last) * (width - left - right);
  const y = (value) => top + ((high - Math.log10(value)) / (high - low)) * (height - top - bottom);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = INK;
  context.strokeStyle = LIGHT;
  context.lineWidth = 1;
  context.textAlign = "right";
  context.textBaseline = "middle";
  const factors = high - low < 2 ? [1, 2, 5] : [1];
  for (let power = Math.floor(low); power <= high; power++) {
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (Math.log10(tick) < low || Math.log10(tick) > high) continue;
      line(context, [[left, y(tick)], [width - right, y(tick)]]);
      context.fillText(tick >= 1e-3 && tick < 1e4 ? String(+tick.toPrecision(1)) : tick.toExponential(0), left - 5, y(tick));
    }
  }
  context.textBaseline = "alphabetic";
  context.fillText(String(last), width - right, height - 5);
  context.textAlign = "left";
  context.fillText("0", left, height - 5);
  for (const { points, colour, dashes } of curves) {
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(dashes);
    const floor = 10 ** low;
    line(context, points.filter(([, v]) => Number.isFinite(v)).map(([s, v]) => [x(s), y(Math.max(v, floor))]));
  }
  context.setLineDash([]);
}

function line(context, points) {
  context.beginPath();
  points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.stroke();
}

// Arrows from one origin. Each is { to: [x, y], colour, dashes, name, width }.
function drawArrows(canvas, arrows) {
  const { context, width, height } = sized(canvas);
  const margin = 26, xs = [0, ...arrows.map(({ to }) => to[0])], ys = [0, ...arrows.map(({ to }) => to[1])];
  const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const factor = Math.min((width - 2 * margin) / (x1 - x0 || 1), (height - 2 * margin) / (y1 - y0 || 1));
  const origin = [width / 2 - (factor * (x0 + x1)) / 2, height / 2 + (factor * (y0 + y1)) / 2];
  context.font = "bold 14px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const { to, colour, dashes, name, thick } of arrows) {
    const tip = [origin[0] + factor * to[0], origin[1] - factor * to[1]];
    const length = Math.hypot(tip[0] - origin[0], tip[1] - origin[1]);
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = thick;
    if (length < 1) continue;
    const [ux, uy] = [(tip[0] - origin[0]) / length, (tip[1] - origin[1]) / length], head = Math.min(11, length);
    context.setLineDash(dashes);
    line(context, [origin, [tip[0] - (head * ux) / 2, tip[1] - (head * uy) / 2]]);
    context.setLineDash([]);
    context.beginPath();
    context.moveTo(...tip);
    context.lineTo(tip[0] - head * ux + 0.45 * head * uy, tip[1] - head * uy - 0.45 * head * ux);
    context.lineTo(tip[0] - head * ux - 0.45 * head * uy, tip[1] - head * uy + 0.45 * head * ux);
    context.fill();
    // Beside the tip, each name on a side of its own: arrows often lie on each other.
    const side = name === "d" ? 14 : 0;
    context.fillText(name, tip[0] + 14 * ux + side * uy, tip[1] + 14 * uy - side * ux);
  }
  context.fillStyle = INK;
  context.beginPath();
  context.arc(...origin, 3, 0, 2 * Math.PI);
  context.fill();
}

// The responses of units, each a small field, in `groups` rows of squares.
function drawUnits(canvas, values, side, n, groups) {
  const box = canvas.getBoundingClientRect().width, gap = 4;
  const across = Math.min(n, Math.max(4, Math.floor(box / 52))), size = (box - gap * (across - 1)) / across;
  const down = Math.ceil(n / across), edge = Math.min(size, 90), between = groups > 1 ? 10 : 0;
  canvas.style.height = `${groups * down * (edge + gap) + between}px`;
  const { context } = sized(canvas), points = side * side;
  for (let group = 0; group < groups; group++) {
    for (let unit = 0; unit < n; unit++) {
      const from = (group * n + unit) * points;
      const x = (unit % across) * (edge + gap);
      const y = (group * down + Math.floor(unit / across)) * (edge + gap) + group * between;
      paint(context, values.subarray(from, from + points), side, -1, 1, x, y, edge);
      if (groups > 1) {
        context.strokeStyle = group ? B : A;
        context.lineWidth = 2;
        context.strokeRect(x + 1, y + 1, edge - 2, edge - 2);
      }
    }
  }
}
