// What both pages use.
"use strict";
const $ = id => document.getElementById(id);
const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const on = (element, names, action) => names.split(" ").forEach(name => element.addEventListener(name, action));
const bytes = text => Uint8Array.from(atob(text), character => character.charCodeAt(0));
const numbers = text => new Float32Array(bytes(text).buffer);
const pngOf = canvas => bytes(canvas.toDataURL().split(",")[1]);  // at once, where toBlob() may wait a second
const color = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

function say(number, digits = 4) {  // as a teacher writes it: whole numbers whole, others with four digits
  const rounded = Number.isInteger(number) || Math.abs(number) >= 1000 ? Math.round(number) : +number.toPrecision(digits);
  return (rounded + 0).toLocaleString("en", {maximumFractionDigits: 12}).replace("-", "−");
}

function percent(share) {  // nothing that is only nearly 0 or 1 looks as if it were
  return share > 0 && share < 0.0005 ? "<0.1%" : share < 1 && share >= 0.9995 ? ">99.9%" : `${(share * 100).toFixed(1)}%`;
}

function bar(label, share, colour = "var(--bar)") {  // a label, a bar as long as its share, and the share, if it is known
  const drawn = make("i");
  drawn.style.setProperty("--share", `${100 * (share ?? 0)}%`);
  drawn.style.setProperty("--own", colour);
  return [make("span", {className: "label", title: label, textContent: label}), drawn,
    make("span", {className: "share", textContent: Number.isFinite(share) ? percent(share) : "–"})];
}

// Square maps, one after the other in `values`, so many side by side with a gap of one cell, unless they are single cells:
// from black at `low`, or each map's own lowest value, to white at `high`, or its own highest. If `low` is below 0, blue is
// above 0 and red below it. Returns a cell's width.
function paintMaps(canvas, values, size, across, low, high) {
  const count = values.length / (size * size), scale = Math.round(240 / size), pitch = size > 1 ? size + 1 : 1;
  const [columns, rows] = [Math.min(across, count), Math.ceil(count / across)].map(side => side * pitch - pitch + size);
  const small = make("canvas", {width: columns, height: rows}), image = new ImageData(columns, rows);
  for (let map = 0; map < count; map++) {
    const own = values.subarray(map * size * size, (map + 1) * size * size);
    const least = low ?? Math.min(...own), most = high ?? Math.max(...own);
    own.forEach((value, i) => {
      const x = map % across * pitch + i % size, y = Math.floor(map / across) * pitch + Math.floor(i / size);
      const grey = most > least ? 255 * (value - least) / (most - least) : 0, pale = 255 * (1 - Math.abs(value) / (high || 1));
      const shade = !(low < 0) ? [grey, grey, grey] : value < 0 ? [200 + pale * 55 / 255, pale, pale] : [pale, pale, 200 + pale * 55 / 255];
      image.data.set([...shade, 255], 4 * (y * columns + x));
    });
  }
  small.getContext("2d").putImageData(image, 0, 0);
  [canvas.width, canvas.height] = [columns * scale, rows * scale];  // this clears it, too
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  return scale;
}

const getJson = address => fetch(address).then(reply => reply.json()).catch(() => null);  // null: no server, or no answer

const EVERY = 1000, SLOWEST = 10_000;  // milliseconds from one look at a training to the next
function pauseAfter(begun) {  // where the server is busy, it is asked less often
  return Math.min(SLOWEST, Math.max(EVERY, 4 * (performance.now() - begun)));
}

// What the tab remembers. Where storage is blocked, it throws, and nothing is remembered.
function recall(name) { try { return JSON.parse(sessionStorage.getItem(name)); } catch { return null; } }
function remember(name, value) { try { sessionStorage.setItem(name, JSON.stringify(value)); } catch { /* blocked, or full */ } }

function position(event, canvas) {  // of the pointer, in pixels of a canvas
  const box = canvas.getBoundingClientRect();
  return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
}

function onWhite(canvas) {  // the context of a canvas, which is made white
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  return context;
}

function trace(context, points, width) {  // a stroke: curves from halfway to halfway between its points
  Object.assign(context, {strokeStyle: "black", lineWidth: width, lineCap: "round", lineJoin: "round"});
  context.beginPath();
  context.moveTo(...points[0]);
  points.forEach((point, i) => {
    const next = points[i + 1] || point;
    context.quadraticCurveTo(...point, (point[0] + next[0]) / 2 + 0.01, (point[1] + next[1]) / 2);
  });
  context.stroke();
}

function enlarge(strokes, pen) {  // strokes on a canvas as the server wants them: as large as it scales ink to, with one pen
  const canvas = make("canvas", {width: 256, height: 256}), context = onWhite(canvas), points = strokes.flat();
  const [left, top, right, bottom] = [Math.min, Math.max].flatMap(
    outer => [0, 1].map(axis => points.reduce((found, point) => outer(found, point[axis]), points[0][axis])));
  const width = 24, scale = (192 - width) / Math.max(right - left, bottom - top, pen / 3);  // 8 pixels for each of the network's
  canvas.place = [scale, (256 - scale * (left + right)) / 2, (256 - scale * (top + bottom)) / 2];
  context.setTransform(scale, 0, 0, scale, ...canvas.place.slice(1));
  for (const stroke of strokes) trace(context, stroke, width / scale);
  return canvas;
}
