// State, address, keyboard, and what stands around the views. The address holds the state.

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
  return (firstOf('output_grad.rms', 'output_grad.norm', 'weight.grad_norm', 'output.rms') ?? nodeQuantities()[0])?.name ?? '';
}

// What changes with the step alone: told at each, forgotten with the view that it stands in.
let live = [];

function liveText(text) {
  const element = h('span', { text: text() });
  live.push(() => { element.textContent = text(); });
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
    if (changed.some((key) => key !== 'step' && key !== 'colour')) showView(before.view !== state.view);
    if (changed.includes('picture')) showPicture();
    if (changed.includes('colour')) { fillLegend(); if (state.view === 'table') showView(false); }
    showStep();
    frameNodes(changed.includes('node') || changed.includes('picture'));
  }
  remember();
}

const KEPT = ['step', 'node', 'other', 'view', 'colour', 'quantity', 'heat', 'lang', 'theme', 'picture'];

/** Write the state into the address, without a new page in the history for each step. */
function remember() {
  const words = KEPT.filter((key) => state[key] !== usual[key] && state[key] !== null).map((key) => {
    const value = key === 'node' || key === 'other' ? nodes[state[key]].name : state[key];
    return `${key}=${encodeURIComponent(value)}`;
  });
  address = `#${words.join('&')}`;
  history.replaceState(null, '', address);
}

let address = '';

/** Take the state from the address; what it does not know is left as it was. */
function recall() {
  const found = {};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (key === 'step' && Number.isFinite(Number(value)) && ticks.length) found.step = nearestTick(Number(value));
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

// What stands around.

const stage = h('div', { class: 'stage' });
const right = h('main', { id: 'right', tabindex: '-1' });
const legendPlace = h('div', { id: 'legend' });
const slider = h('input', { type: 'range', id: 'step', min: 0, oninput: () => { stop(); setState({ step: ticks[Number(slider.value)] }); } });
const told = h('div', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
let playing = null;
let shownView = null;

/** All of the page, anew: at the beginning, and when language or theme change. */
function frame() {
  document.documentElement.lang = state.lang === 'zh' ? 'zh-Hans' : state.lang;
  document.documentElement.dataset.theme = state.theme;
  document.title = t('page.title', { name: run.name });
  slider.setAttribute('aria-label', t('page.step'));
  fill(app, header(), h('div', { class: 'columns' }, left(), right), player(), told);
  showPicture();
  fillLegend();
  showView(false);
  showStep();
  frameNodes(true);
}

function header() {
  const tabs = Object.keys(VIEWS).map((view) => h('button', { role: 'tab', id: `tab-${view}`, 'aria-selected': String(state.view === view), text: t(`view.${view}`), onclick: () => setState({ view }) }));
  return h('header', {},
    h('h1', {}, h('bdi', { text: run.name }), h('span', { class: 'muted', text: ` ${run.data}` })),
    h('div', { role: 'tablist', 'aria-label': t('page.views') }, tabs),
    search(),
    h('button', { id: 'lang', text: state.lang === 'en' ? '中文' : 'English', onclick: () => setState({ lang: state.lang === 'en' ? 'zh' : 'en' }) }),
    h('button', { id: 'theme', text: state.theme === 'light' ? t('page.dark') : t('page.light'), onclick: () => setState({ theme: state.theme === 'light' ? 'dark' : 'light' }) }),
    h('button', { id: 'help', text: '?', 'aria-label': t('help.title'), onclick: help }));
}

/** A field that finds nodes by name, op or label. */
function search() {
  const list = h('ul', { role: 'listbox', id: 'found', hidden: true });
  const found = () => {
    const word = field.value.trim().toLowerCase();
    const hits = word ? nodes.map((facts, number) => [facts, number]).filter(([facts]) => `${facts.name} ${facts.op} ${facts.label}`.toLowerCase().includes(word)).slice(0, 10) : [];
    list.hidden = !word;
    field.setAttribute('aria-expanded', String(Boolean(word)));
    fill(list, hits.map(([facts, number], rank) => h('li', { role: 'option', 'aria-selected': String(rank === 0), onmousedown: () => take(number) },
      h('bdi', { text: facts.name }), h('span', { class: 'muted', text: ` ${facts.op}` }))), word && !hits.length ? h('li', { class: 'muted', text: t('page.not_found') }) : null);
    return hits;
  };
  const take = (number) => { field.value = ''; list.hidden = true; field.blur(); setState({ node: number, view: 'node' }); };
  const field = h('input', { type: 'search', id: 'search', role: 'combobox', 'aria-expanded': 'false', 'aria-controls': 'found', placeholder: `${t('page.search')}  /`, 'aria-label': t('page.search'),
    oninput: found, onblur: () => { list.hidden = true; },
    onkeydown: (event) => {
      if (event.key === 'Enter') { const [hit] = found(); if (hit) take(hit[1]); }
      if (event.key === 'Escape') { field.value = ''; list.hidden = true; field.blur(); }
    } });
  return h('div', { class: 'search' }, field, list);
}

function left() {
  const colour = h('select', { id: 'colour', onchange: (event) => setState({ colour: event.target.value }) },
    h('option', { value: '', text: t('graph.by_op') }), options(state.colour));
  const open = content.boxes.folded && content.boxes.whole ? h('button', { id: 'fold', text: t(state.picture === 'folded' ? 'graph.unfold' : 'graph.fold'),
    onclick: (event) => { setState({ picture: state.picture === 'folded' ? 'whole' : 'folded' }); event.target.textContent = t(state.picture === 'folded' ? 'graph.unfold' : 'graph.fold'); } }) : null;
  const zooms = h('span', { class: 'zooms' }, [['−', 0.8, 'graph.smaller'], ['+', 1.25, 'graph.larger'], ['↔', 1, 'graph.fit']].map(([sign, factor, key]) => h('button', {
    text: sign, title: t(key), 'aria-label': t(key), onclick: () => zoom(factor) })));
  return h('aside', { 'aria-label': t('graph.title') }, h('p', { class: 'controls' }, h('label', {}, t('graph.colour'), ' ', colour), open, zooms), legendPlace, stage);
}

function fillLegend() {
  fill(legendPlace, scaleLegend(byName.get(state.colour)));
  const select = document.getElementById('colour');
  if (select) select.value = state.colour;
}

function player() {
  const numbers = content.panels.filter(([key]) => key === 'loss' || key === 'metrics').map(([, names]) => byName.get(names[0]));
  return h('footer', {},
    h('button', { id: 'play', text: playing ? t('page.pause') : t('page.play'), onclick: toggle }),
    slider, h('span', { id: 'where', class: 'where' }),
    numbers.map((quantity) => h('span', { class: 'figure', 'data-quantity': quantity.name })));
}

function showView(fresh) {
  live = [];
  dropCharts();
  fill(right, VIEWS[state.view]());
  for (const tab of document.querySelectorAll('[role=tab]')) tab.setAttribute('aria-selected', String(tab.id === `tab-${state.view}`));
  if (fresh) right.scrollTop = 0;
  shownView = state.view;
}

/** Everything that the marked step decides. */
function showStep() {
  slider.max = Math.max(0, ticks.length - 1);
  slider.value = String(Math.max(0, place(ticks, state.step)));
  slider.setAttribute('aria-valuetext', `${t('page.step')} ${whole(state.step)}`);
  document.getElementById('where').textContent = t('page.of_steps', { step: whole(state.step), last: whole(run.last) });
  for (const element of document.querySelectorAll('footer .figure')) {
    const quantity = byName.get(element.dataset.quantity);
    element.textContent = `${label(quantity)} ${figure(valueAt(quantity, quantity.sites[0], state.step), quantity.unit)}`;
  }
  colourPicture();
  markStep(state.step);
  for (const tell of live) tell();
}

function toggle() {
  if (playing) { stop(); return; }
  if (state.step === ticks[ticks.length - 1]) setState({ step: ticks[0] });
  const pace = Math.max(1, Math.round(ticks.length / 240)); // all of it in about twelve seconds
  playing = setInterval(() => {
    const next = place(ticks, state.step) + pace;
    setState({ step: ticks[Math.min(next, ticks.length - 1)] });
    if (next >= ticks.length - 1) stop();
  }, 50);
  document.getElementById('play').textContent = t('page.pause');
}

function stop() {
  clearInterval(playing);
  playing = null;
  document.getElementById('play').textContent = t('page.play');
}

function help() {
  const keys = [['← →', 'help.step'], ['Shift ← →', 'help.far'], ['Home End', 'help.ends'], ['Space', 'help.play'], ['↑ ↓', 'help.node'], ['/', 'help.search'], ['1 2 3 4', 'help.views'], ['Esc', 'help.escape'], ['?', 'help.help']];
  const dialog = h('dialog', { 'aria-label': t('help.title'), onclose: () => dialog.remove() }, h('h2', { text: t('help.title') }),
    h('dl', { class: 'facts' }, keys.map(([key, what]) => [h('dt', {}, h('kbd', { text: key })), h('dd', { text: t(what) })])),
    h('p', { class: 'muted', text: t('help.charts') }), h('form', { method: 'dialog' }, h('button', { text: t('help.close') })));
  app.append(dialog);
  dialog.showModal();
}

function moveStep(by) {
  stop();
  const next = Math.min(ticks.length - 1, Math.max(0, place(ticks, state.step) + by));
  setState({ step: ticks[next] });
}

function moveNode(by) {
  const next = state.node === null ? (by > 0 ? 0 : nodes.length - 1) : Math.min(nodes.length - 1, Math.max(0, state.node + by));
  setState({ node: next, view: 'node' });
  told.textContent = nodes[next].name;
}

const KEYS = {
  ArrowLeft: (event) => moveStep(event.shiftKey ? -10 : -1),
  ArrowRight: (event) => moveStep(event.shiftKey ? 10 : 1),
  Home: () => moveStep(-ticks.length),
  End: () => moveStep(ticks.length),
  ArrowUp: () => moveNode(-1),
  ArrowDown: () => moveNode(1),
  ' ': toggle,
  '/': () => document.getElementById('search').focus(),
  '?': help,
  Escape: () => setState({ node: null, other: null, view: 'overview' }),
};

document.addEventListener('keydown', (event) => {
  const inside = event.target instanceof Element ? event.target : document.body;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (inside.matches('input:not([type=range]), select, textarea')) return;
  if (inside.matches('button, [role=button]') && (event.key === ' ' || event.key === 'Enter')) {
    if (!inside.matches('g.node')) return;
    inside.dispatchEvent(new MouseEvent('click', { bubbles: true }));
  } else if (/^[1-4]$/.test(event.key)) setState({ view: Object.keys(VIEWS)[Number(event.key) - 1] });
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key](event);
  else return;
  event.preventDefault();
});

addEventListener('hashchange', () => { if (location.hash !== address) setState(recall()); });

/** A served page asks for what has been added, until the training has ended. */
async function follow() {
  const answer = await fetch(`content?after=${run.last}`, { cache: 'no-store' }).catch(() => null);
  if (answer && answer.status === 200) takeMore(await answer.json());
  if (!answer || answer.status === 204 || (answer.ok && run.status === 'running')) setTimeout(follow, 2000);
}

/** Show what has been added; who stood at the last step goes along. */
function takeMore(data) {
  const last = state.step === (ticks[ticks.length - 1] ?? 0);
  const { scrollTop } = right;
  const all = spansAll();
  const isNew = data.quantities.length !== quantities.length;
  takeContent(data);
  if (all) showAll();
  state.step = last ? ticks[ticks.length - 1] ?? 0 : nearestTick(state.step);
  if (!byName.has(state.colour)) state.colour = usualColour();
  usual.step = ticks[ticks.length - 1] ?? 0;
  if (isNew) { frame(); return; }
  if (!right.contains(document.activeElement) || !document.activeElement.matches('input, select')) showView(false);
  right.scrollTop = scrollTop;
  fill(app.querySelector('footer'), [...player().childNodes]);
  fillLegend();
  showStep();
}

takePictures(stage);
Object.assign(state, recall());
frame();
document.documentElement.dataset.ready = 'yes';
if (content.served && run.status === 'running') setTimeout(follow, 1000);
