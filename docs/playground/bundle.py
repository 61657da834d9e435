"""Puts the page into one file: bundle.py playground.wasm two-tasks.html

The file says which sources it was built from: a hash of the playground's own, and one of the library's. A test of the
library compares them (tests/tidy/playground.rs).
"""

import base64
import sys
import zlib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def hash_of(paths):
    """FNV-1a over the names and the bytes of files, in the order of their names."""
    digest = 0xCBF29CE484222325
    for path in sorted(paths, key=lambda path: path.relative_to(ROOT).as_posix()):
        for byte in path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0":
            digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{digest:016x}"


def own_sources():
    single = ["Cargo.toml", "Cargo.lock", "build.sh", "bundle.py"]
    folders = [path for folder in ("src", "page") for path in (HERE / folder).rglob("*") if path.is_file()]
    return [HERE / name for name in single] + folders


def main():
    wasm, page = map(Path, sys.argv[1:])
    text = {name: (HERE / "page" / name).read_text() for name in ("index.html", "style.css", "texts.js", "draw.js", "main.js")}
    packed = base64.b64encode(zlib.compress(wasm.read_bytes(), 9)).decode()
    script = f'const WASM = "{packed}";\n' + text["texts.js"] + text["draw.js"] + text["main.js"]
    library = (ROOT / "src").rglob("*.rs")
    built_from = f"<!-- built by docs/playground/build.sh from: own {hash_of(own_sources())} library {hash_of(library)} -->\n"
    html = text["index.html"].replace("/*STYLE*/\n", text["style.css"]).replace("/*SCRIPT*/\n", script)
    head, rest = html.split("\n", 1)
    page.write_text(f"{head}\n{built_from}{rest}")
    print(f"{page.name}: {page.stat().st_size // 1000} kB, of which the engine {len(packed) // 1000} kB")


if __name__ == "__main__":
    main()
