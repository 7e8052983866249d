// The state of the page: what changes it, what follows from that, and the address that holds it.

const VIEWS = { overview, layers, node: nodeView, table };
const app = document.getElementById('app');
const state = {
  step: ticks[ticks.length - 1] ?? 0,
  node: null,
  other: null,
  view: 'overview',
  colour: usualColour(),
  quantity: '',
  heat: '',
  histogram: '',
  lang: app.dataset.lang,
  theme: matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
  picture: content.boxes.folded ? 'folded' : 'whole',
};
const usual = { ...state };

function usualColour() {
  return (
    (
      firstOf('output_grad.rms', 'output_grad.norm', 'weight.grad_norm', 'output.rms') ??
      nodeQuantities()[0]
    )?.name ?? ''
  );
}

// What changes with the step alone: told at each, forgotten with the view that it stands in.
let live = [];

function liveText(text) {
  const element = h('span', { text: text() });
  live.push(() => {
    element.textContent = text();
  });
  return element;
}

function liveSpark(lines, scale) {
  const svg = sparkline(lines, scale);
  live.push(() => placeMark(svg, state.step));
  return svg;
}

/** Change the state, then what shows it: the step alone moves often and must be quick. */
function setState(changes) {
  const before = { ...state };
  Object.assign(state, changes);
  const changed = Object.keys(changes).filter((key) => before[key] !== state[key]);
  if (!changed.length) return;
  if (changed.some((key) => key === 'lang' || key === 'theme')) frame();
  else {
    if (changed.some((key) => key !== 'step' && key !== 'colour'))
      showView(before.view !== state.view);
    if (changed.includes('picture')) showPicture();
    if (changed.includes('colour')) {
      fillLegend();
      if (state.view === 'table') showView(false);
    }
    showStep();
    frameNodes(changed.includes('node') || changed.includes('picture'));
  }
  remember();
}

const KEPT = [
  'step',
  'node',
  'other',
  'view',
  'colour',
  'quantity',
  'heat',
  'lang',
  'theme',
  'picture',
];

let address = '';
let wrote = 0;
let waiting = null;

/** Write the state into the address: at once, then not again for a while, as browsers count. */
function remember() {
  clearTimeout(waiting);
  const soon = wrote + 300 - Date.now();
  if (soon > 0) waiting = setTimeout(writeAddress, soon);
  else writeAddress();
}

function writeAddress() {
  wrote = Date.now();
  const words = KEPT.filter((key) => state[key] !== usual[key] && state[key] !== null).map(
    (key) => {
      const value = key === 'node' || key === 'other' ? nodes[state[key]].name : state[key];
      return `${key}=${encodeURIComponent(value)}`;
    },
  );
  address = `#${words.join('&')}`;
  try {
    history.replaceState(null, '', address);
  } catch {
    // In the frame of a notebook there is no address of its own.
  }
}

/** Take the state from the address; what it does not know is left as it was. */
function recall() {
  const found = {};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (key === 'step' && Number.isFinite(Number(value)) && ticks.length)
      found.step = nearestTick(Number(value));
    if (key === 'node' || key === 'other') {
      const number = nodes.findIndex((facts) => facts.name === value);
      if (number >= 0) found[key] = number;
    }
    if (key === 'view' && Object.hasOwn(VIEWS, value)) found.view = value;
    if (['colour', 'quantity', 'heat'].includes(key) && byName.has(value)) found[key] = value;
    if (key === 'colour' && value === '') found.colour = '';
    if (key === 'lang' && Object.hasOwn(content.words, value)) found.lang = value;
    if (key === 'theme' && (value === 'light' || value === 'dark')) found.theme = value;
    if (key === 'picture' && Object.hasOwn(content.boxes, value)) found.picture = value;
  }
  if (found.node !== undefined && !found.view) found.view = 'node';
  return found;
}
