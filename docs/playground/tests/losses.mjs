// Prints both tasks' losses after 100 steps at each guided stop. Arguments: the built page or a .wasm file, and the width
// of its numbers, f32 or f64.
import { readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";

const [path, width] = process.argv.slice(2);
const file = readFileSync(path);
const inPage = file.toString("latin1").match(/const WASM = "([A-Za-z0-9+/=]+)"/);
const wasm = inPage ? inflateSync(Buffer.from(inPage[1], "base64")) : file;
const { instance } = await WebAssembly.instantiate(wasm, {});
const engine = instance.exports;
for (let stop = 0; stop < engine.n_stops(); stop++) {
  engine.preset(stop);
  engine.reset();
  engine.step(100);
  engine.look(false);
  const figures = new Float64Array(engine.memory.buffer, engine.figures(), engine.n_figures());
  console.log(stop, width, figures[1], figures[2]);
}
