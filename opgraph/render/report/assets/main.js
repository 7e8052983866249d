// Playing, keys, steps that are added; and the beginning of it all.

function toggle() {
  if (playing) {
    stop();
    return;
  }
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
  const keys = [
    ['← →', 'help.step'],
    ['Shift ← →', 'help.far'],
    ['Home End', 'help.ends'],
    ['Space', 'help.play'],
    ['↑ ↓', 'help.node'],
    ['/', 'help.search'],
    ['1 2 3 4', 'help.views'],
    ['Esc', 'help.escape'],
    ['?', 'help.help'],
  ];
  const dialog = h(
    'dialog',
    { 'aria-label': t('help.title'), onclose: () => dialog.remove() },
    h('h2', { text: t('help.title') }),
    h(
      'dl',
      { class: 'facts' },
      keys.map(([key, what]) => [h('dt', {}, h('kbd', { text: key })), h('dd', { text: t(what) })]),
    ),
    h('p', { class: 'muted', text: t('help.charts') }),
    h('form', { method: 'dialog' }, h('button', { text: t('help.close') })),
  );
  app.append(dialog);
  dialog.showModal();
}

function moveStep(by) {
  stop();
  const next = Math.min(ticks.length - 1, Math.max(0, place(ticks, state.step) + by));
  setState({ step: ticks[next] });
}

function moveNode(by) {
  const next =
    state.node === null
      ? by > 0
        ? 0
        : nodes.length - 1
      : Math.min(nodes.length - 1, Math.max(0, state.node + by));
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
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]'))
    return;
  if (inside.matches('input:not([type=range]), select, textarea')) return;
  if (inside.matches('button, [role=button]') && (event.key === ' ' || event.key === 'Enter')) {
    if (!inside.matches('g.node')) return;
    inside.dispatchEvent(new MouseEvent('click', { bubbles: true }));
  } else if (/^[1-4]$/.test(event.key))
    setState({ view: Object.keys(VIEWS)[Number(event.key) - 1] });
  else if (Object.hasOwn(KEYS, event.key)) KEYS[event.key](event);
  else return;
  event.preventDefault();
});

addEventListener('hashchange', () => {
  if (location.hash !== address) setState(recall());
});

/** A served page asks for what has been added, until the training has ended. */
async function follow() {
  const answer = await fetch(`content?after=${run.last}`, { cache: 'no-store' }).catch(() => null);
  if (answer && answer.status === 200) takeMore(await answer.json());
  if (!answer || answer.status === 204 || (answer.ok && run.status === 'running'))
    setTimeout(follow, 2000);
}

/** Show what has been added; who stood at the last step goes along. */
function takeMore(data) {
  const last = state.step === (ticks[ticks.length - 1] ?? 0);
  const { scrollTop } = right;
  const all = spansAll();
  const isNew = data.quantities.length !== quantities.length;
  takeContent(data);
  if (all) showAll();
  state.step = last ? (ticks[ticks.length - 1] ?? 0) : nearestTick(state.step);
  if (!byName.has(state.colour)) state.colour = usualColour();
  usual.step = ticks[ticks.length - 1] ?? 0;
  if (isNew) {
    frame();
    return;
  }
  if (!right.contains(document.activeElement) || !document.activeElement.matches('input, select'))
    showView(false);
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
