// What stands around the views: header, search, picture and player.

const stage = h('div', { class: 'stage' });
const right = h('main', { id: 'right', tabindex: '-1' });
const legendPlace = h('div', { id: 'legend' });
const slider = h('input', {
  type: 'range',
  id: 'step',
  min: 0,
  oninput: () => {
    stop();
    setState({ step: ticks[Number(slider.value)] });
  },
});
const told = h('div', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
let playing = null;

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
  const tabs = Object.keys(VIEWS).map((view) =>
    h('button', {
      role: 'tab',
      id: `tab-${view}`,
      'aria-selected': String(state.view === view),
      text: t(`view.${view}`),
      onclick: () => setState({ view }),
    }),
  );
  return h(
    'header',
    {},
    h('h1', {}, h('bdi', { text: run.name }), h('span', { class: 'muted', text: ` ${run.data}` })),
    h('div', { role: 'tablist', 'aria-label': t('page.views') }, tabs),
    search(),
    h('button', {
      id: 'lang',
      text: state.lang === 'en' ? '中文' : 'English',
      onclick: () => setState({ lang: state.lang === 'en' ? 'zh' : 'en' }),
    }),
    h('button', {
      id: 'theme',
      text: state.theme === 'light' ? t('page.dark') : t('page.light'),
      onclick: () => setState({ theme: state.theme === 'light' ? 'dark' : 'light' }),
    }),
    h('button', { id: 'help', text: '?', 'aria-label': t('help.title'), onclick: help }),
  );
}

/** A field that finds nodes by name, op or label. */
function search() {
  const list = h('ul', { role: 'listbox', id: 'found', hidden: true });
  const found = () => {
    const word = field.value.trim().toLowerCase();
    const hits = word
      ? nodes
          .map((facts, number) => [facts, number])
          .filter(([facts]) =>
            `${facts.name} ${facts.op} ${facts.label}`.toLowerCase().includes(word),
          )
          .slice(0, 10)
      : [];
    list.hidden = !word;
    field.setAttribute('aria-expanded', String(Boolean(word)));
    fill(
      list,
      hits.map(([facts, number], rank) =>
        h(
          'li',
          { role: 'option', 'aria-selected': String(rank === 0), onmousedown: () => take(number) },
          h('bdi', { text: facts.name }),
          h('span', { class: 'muted', text: ` ${facts.op}` }),
        ),
      ),
      word && !hits.length ? h('li', { class: 'muted', text: t('page.not_found') }) : null,
    );
    return hits;
  };
  const take = (number) => {
    field.value = '';
    list.hidden = true;
    field.blur();
    setState({ node: number, view: 'node' });
  };
  const field = h('input', {
    type: 'search',
    id: 'search',
    role: 'combobox',
    'aria-expanded': 'false',
    'aria-controls': 'found',
    placeholder: `${t('page.search')}  /`,
    'aria-label': t('page.search'),
    oninput: found,
    onblur: () => {
      list.hidden = true;
    },
    onkeydown: (event) => {
      if (event.key === 'Enter') {
        const [hit] = found();
        if (hit) take(hit[1]);
      }
      if (event.key === 'Escape') {
        field.value = '';
        list.hidden = true;
        field.blur();
      }
    },
  });
  return h('div', { class: 'search' }, field, list);
}

function left() {
  const colour = h(
    'select',
    { id: 'colour', onchange: (event) => setState({ colour: event.target.value }) },
    h('option', { value: '', text: t('graph.by_op') }),
    options(state.colour),
  );
  const open =
    content.boxes.folded && content.boxes.whole
      ? h('button', {
          id: 'fold',
          text: t(state.picture === 'folded' ? 'graph.unfold' : 'graph.fold'),
          onclick: () => setState({ picture: state.picture === 'folded' ? 'whole' : 'folded' }),
        })
      : null;
  const zooms = h(
    'span',
    { class: 'zooms' },
    [
      ['−', 0.8, 'graph.smaller'],
      ['+', 1.25, 'graph.larger'],
      ['↔', 1, 'graph.fit'],
    ].map(([sign, factor, key]) =>
      h('button', {
        text: sign,
        title: t(key),
        'aria-label': t(key),
        onclick: () => zoom(factor),
      }),
    ),
  );
  return h(
    'aside',
    { 'aria-label': t('graph.title') },
    h('p', { class: 'controls' }, h('label', {}, t('graph.colour'), ' ', colour), open, zooms),
    legendPlace,
    stage,
  );
}

function fillLegend() {
  fill(legendPlace, scaleLegend(byName.get(state.colour)));
  const select = document.getElementById('colour');
  if (select) select.value = state.colour;
}

function player() {
  const numbers = content.panels
    .filter(([key]) => key === 'loss' || key === 'metrics')
    .map(([, names]) => byName.get(names[0]));
  return h(
    'footer',
    {},
    h('button', { id: 'play', text: playing ? t('page.pause') : t('page.play'), onclick: toggle }),
    slider,
    h('span', { id: 'where', class: 'where' }),
    numbers.map((quantity) => h('span', { class: 'figure', 'data-quantity': quantity.name })),
  );
}

function showView(fresh) {
  live = [];
  dropCharts();
  fill(right, VIEWS[state.view]());
  for (const tab of document.querySelectorAll('[role=tab]'))
    tab.setAttribute('aria-selected', String(tab.id === `tab-${state.view}`));
  if (fresh) right.scrollTop = 0;
}

/** Everything that the marked step decides. */
function showStep() {
  slider.max = Math.max(0, ticks.length - 1);
  slider.value = String(Math.max(0, place(ticks, state.step)));
  slider.setAttribute('aria-valuetext', `${t('page.step')} ${whole(state.step)}`);
  document.getElementById('where').textContent = t('page.of_steps', {
    step: whole(state.step),
    last: whole(run.last),
  });
  for (const element of document.querySelectorAll('footer .figure')) {
    const quantity = byName.get(element.dataset.quantity);
    element.textContent = `${label(quantity)} ${figure(valueAt(quantity, quantity.sites[0], state.step), quantity.unit)}`;
  }
  colourPicture();
  markStep(state.step);
  for (const tell of live) tell();
}
