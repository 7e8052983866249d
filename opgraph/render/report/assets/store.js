// What the page holds: nodes, quantities, histograms, words. Finds numbers; shows nothing.

let content;
let nodes;
let quantities;
let grids;
let run;
let byName;
let ticks; // the steps that the slider stands at: those of the table of steps

/** Take in what the page holds; a served page does so again when steps have been added. */
function takeContent(data) {
  content = data;
  ({ nodes, quantities, grids, run } = data);
  byName = new Map(quantities.map((quantity) => [quantity.name, quantity]));
  const loss = byName.get('steps.loss') ?? quantities[0];
  ticks = loss ? grids[loss.grid].ends : [0];
}

takeContent(JSON.parse(document.getElementById('content').textContent));

function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return bytes.buffer;
}

/** The numbers of a quantity; decoded when they are first asked for. */
function numbersOf(quantity) {
  if (!quantity.numbers) {
    quantity.numbers = {};
    for (const part of ['at', 'low', 'high']) {
      if (quantity[part] === undefined) continue;
      quantity.numbers[part] = new Float32Array(bytesOf(quantity[part]));
      quantity[part] = '';
    }
  }
  return quantity.numbers;
}

/** The sites of a quantity at a node; the largest weight first. */
function sitesAt(quantity, node) {
  if (!quantity.index) {
    quantity.index = new Map();
    for (const site of quantity.sites) {
      if (!quantity.index.has(site.node)) quantity.index.set(site.node, []);
      quantity.index.get(site.node).push(site);
    }
  }
  return quantity.index.get(node) ?? [];
}

/** The place of the last of some ascending numbers that is not above another; -1 if there is none. */
function place(ends, step) {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ends[middle] <= step) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The number at a place of the grid: null where there is none, NaN where it is none. */
function numberAt(quantity, site, index, part = 'at') {
  if (index < 0) return null;
  if (site.row === undefined) return site.value;
  const ends = grids[quantity.grid].ends;
  const number = numbersOf(quantity)[part][site.row * ends.length + index];
  if (!Number.isNaN(number)) return number;
  return site.bad && site.bad[index] ? NaN : null;
}

/** What was last measured up to a step. */
function valueAt(quantity, site, step) {
  let index = place(grids[quantity.grid].ends, step);
  let found = numberAt(quantity, site, index);
  // Validation is made now and then: the last figure holds until the next.
  while (found === null && index > 0 && quantity.kind === 'steps') {
    index -= 1;
    found = numberAt(quantity, site, index);
  }
  return found;
}

/** Steps and numbers of a site, without the steps at which there is none. */
function lineOf(quantity, site) {
  const { ends, width } = grids[quantity.grid];
  const line = { x: [], y: [], low: [], high: [], bad: [] };
  ends.forEach((step, index) => {
    const number = numberAt(quantity, site, index);
    if (site.bad && site.bad[index]) line.bad.push(step);
    if (number === null) return;
    line.x.push(step);
    line.y.push(number);
    if (width > 1) {
      line.low.push(numberAt(quantity, site, index, 'low') ?? number);
      line.high.push(numberAt(quantity, site, index, 'high') ?? number);
    }
  });
  return line;
}

/** One number for several nodes, as a fold shows it. */
function joined(quantity, inside, step) {
  const found = [];
  for (const node of inside) {
    const sites = sitesAt(quantity, node);
    for (const site of quantity.wanted ? sites.slice(0, 1) : sites) {
      const number = valueAt(quantity, site, step);
      if (number !== null) found.push(number);
    }
  }
  if (!found.length) return null;
  if (found.some(Number.isNaN)) return NaN;
  if (quantity.joined === 'sum') return found.reduce((a, b) => a + b, 0);
  if (quantity.joined === 'min') return Math.min(...found);
  const size = quantity.joined === 'size' ? Math.abs : (number) => number;
  return found.reduce((a, b) => (size(b) > size(a) ? b : a));
}

/** Where a number is on the scale of its quantity, from 0 to 1; as `render/scale.py` has it. */
function shareOf(scale, number) {
  if (scale.floor) {
    if (number === 0) return 0.5;
    const reach = Math.log10(scale.high / scale.floor);
    const far = Math.log10(Math.max(Math.abs(number), scale.floor) / scale.floor) / reach;
    const away = 1 / 16 + (15 / 16) * Math.min(1, far);
    return 0.5 + (number > 0 ? away : -away) / 2;
  }
  const through = scale.log ? Math.log10 : (x) => x;
  const [low, high, at] = [scale.low, scale.high, number].map(through);
  return high <= low ? 0.5 : Math.min(1, Math.max(0, (at - low) / (high - low)));
}

/** Colour and ink of a number in a theme. */
function colourOf(quantity, number, theme) {
  const colours = content.colours[theme];
  const { scale } = quantity;
  if (number === null || (scale === null && Number.isFinite(number))) return colours.none;
  if (!Number.isFinite(number)) return colours.nan;
  if (scale.log && number <= 0 && !scale.floor) return colours.zero;
  return colours[scale.ramp][Math.round(shareOf(scale, number) * 32)];
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** A number in three significant digits. */
function figure(number, unit = '') {
  if (number === null || number === undefined) return '?';
  if (Number.isNaN(number)) return 'NaN / Inf';
  const size = Math.abs(number);
  const sign = number < 0 ? '−' : '';
  const counted = unit === '1' || unit === 'elements' ? '' : unit;
  const tail = counted ? ` ${counted}` : '';
  if (size >= 999.5 && size < 1e20) {
    let power = 0;
    let short = size;
    while (short >= 999.5 && power < 6) {
      short /= 1000;
      power += 1;
    }
    return `${sign}${short.toPrecision(3)} ${PREFIXES[power]}${counted}`;
  }
  if (Number.isInteger(size)) return `${sign}${size}${tail}`;
  if (size >= 1e-3) return `${sign}${size.toPrecision(3)}${tail}`;
  return `${sign}${size.toExponential(2).replace('e-', 'e−').replace('e+', 'e')}${tail}`;
}

/** A whole number with all its digits. */
function whole(number) {
  return number === null || number === undefined ? '?' : number.toLocaleString('en-US');
}

/** A word of the page in the language of the moment, its blanks filled. */
function t(key, blanks = {}) {
  const text = content.words[state.lang][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => blanks[name] ?? '');
}

function has(key) {
  return content.words[state.lang][key] !== undefined;
}

/** What a quantity is called: with what it is of, or beneath a heading that says so. */
function label(quantity, long = true) {
  const [kind, ...rest] = quantity.name.split('.');
  const name = rest.join('.');
  if (kind === 'steps') return stepLabel(name);
  const part = /^(value|grad|update)_(.+)$/.exec(name);
  let short = name;
  if (kind === 'weight' && part && has(`base.${part[2]}`)) {
    return t('page.of', { part: t(`part.${part[1]}`), base: t(`base.${part[2]}`) });
  }
  if (has(`${kind}.${name}`)) short = t(`${kind}.${name}`);
  else if (has(`base.${name}`)) short = t(`base.${name}`);
  else return quantity.name;
  const withKind = long && (kind === 'output' || kind === 'output_grad' || kind === 'slot');
  return withKind ? t('page.at', { part: t(`kind.${kind}`), base: short }) : short;
}

function stepLabel(name) {
  if (has(`steps.${name}`)) return t(`steps.${name}`);
  if (name.startsWith('val_')) return t('steps.validated', { name: stepLabel(name.slice(4)) });
  return name;
}

/** The quantities of nodes, those of a kind together. */
function nodeQuantities() {
  return quantities.filter((quantity) => quantity.kind !== 'steps' && quantity.sites.length);
}

/** Those of some names that the run has; the first of them is what a view begins with. */
function firstOf(...names) {
  return names
    .map((name) => byName.get(name))
    .find((quantity) => quantity && quantity.sites.length);
}
