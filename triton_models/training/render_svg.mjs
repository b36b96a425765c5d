// SVG files to RGBA: reads "input<TAB>output" lines on stdin, writes PNG files of the width given.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.argv[2] + "/");
const { Resvg } = require("@resvg/resvg-js");
const width = Number(process.argv[3]);
for (const line of readFileSync(0, "utf8").split("\n")) {
  if (!line) continue;
  const [from, to] = line.split("\t");
  const picture = new Resvg(readFileSync(from), { fitTo: { mode: "width", value: width } });
  writeFileSync(to, picture.render().asPng());
}
