
// Bars that are each all of something, in pieces: `bars(spec)` as SVG text. It follows chart.js in one script.
//
// spec = { title, names: [text], pieces: [{ name, class, parts: [0..1], texts: [text] }], width }
// A piece says its part where there is room for the words; every piece has them as its title.

const [ROW, BAR] = [36, 26];

export function bars(spec) {
  const left = Math.ceil(Math.max(...spec.names.map((name) => name.length)) * LETTER + 14);
  const room = Math.max(1, spec.width - left);
  const height = spec.names.length * ROW;
  let svg = "";
  spec.names.forEach((name, row) => {
    const top = row * ROW + (ROW - BAR) / 2;
    let at = left;
    svg += words("name", "start", 0, top + 17, name);
    for (const piece of spec.pieces) {
      if (!(piece.parts[row] > 0)) continue;
      const wide = piece.parts[row] * room;
      const text = piece.texts[row];
      svg += `<g><title>${escape(`${name}: ${piece.name} ${text}`)}</title>`
        + `<rect class="piece ${word(piece.class)}" x="${place(at)}" y="${place(top)}" width="${place(Math.max(1.5, wide))}" `
        + `height="${BAR}"/>`;
      if (wide > text.length * LETTER + 12) svg += words(`in ${word(piece.class)}`, "middle", at + wide / 2, top + 17, text);
      svg += "</g>";
      at += wide;
    }
  });
  return `${opening("chart", spec.width, height, spec.title)}>${svg}</svg>`;
}
