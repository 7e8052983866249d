// The first view: did it learn, is it healthy, where the parameters sit, how it was trained.

function overview() {
  const all = content.panels.map(([key, names]) => [key, panel(key, names)]);
  const some = (wanted) =>
    h(
      'div',
      { class: 'pair' },
      all.filter(([key]) => wanted(key)).map(([, element]) => element),
    );
  const first = (key) => key === 'loss' || key === 'metrics';
  return [cards(), health(), some(first), parameterBars(), some((key) => !first(key)), about()];
}

function cards() {
  const { test, status } = run;
  const shown = [
    [
      t('card.steps'),
      whole(run.last - run.first + 1),
      status === 'finished' ? t('status.finished') : t(`status.${status}`),
    ],
    test && test.accuracy !== null
      ? [t('card.accuracy'), figure(test.accuracy), t('card.examples', { count: whole(test.size) })]
      : null,
    test && test.loss !== null
      ? [t('card.test_loss'), figure(test.loss), t('card.held_out')]
      : null,
    [
      t('card.params'),
      `${content.totals.params[1] ? '≥ ' : ''}${whole(content.totals.params[0])}`,
      t('card.trainable', { count: whole(content.totals.trainable[0]) }),
    ],
    [
      t('card.flops'),
      `${content.totals.flops[1] ? '≥ ' : ''}${figure(content.totals.flops[0])}`,
      t('card.per_example'),
    ],
  ];
  return h(
    'div',
    { class: 'cards' },
    shown
      .filter(Boolean)
      .map(([name, value, more]) =>
        h(
          'div',
          { class: 'card' },
          h('div', { class: 'muted', text: name }),
          h('div', { class: 'value', text: value }),
          h('div', { class: 'muted', text: more }),
        ),
      ),
  );
}

/** What is found by looking at the record: numbers that are none, updates that are out of bounds. */
function health() {
  const items = [
    run.error ? h('li', { class: 'wrong' }, h('bdi', { text: run.error })) : null,
    nonfinite(),
    updates(),
    zeros('output.zero_fraction', 'zeros'),
    zeros('output.dead_channels', 'silent'),
  ];
  return h(
    'section',
    {},
    h('h2', { text: t('health.title') }),
    h('ul', { class: 'health' }, items),
  );
}

/** The first step at which something was NaN or infinite. */
function nonfinite() {
  const counted = quantities.filter((quantity) => quantity.name.endsWith('nonfinite'));
  let first = null;
  for (const quantity of counted) {
    for (const site of quantity.sites) {
      const line =
        site.row === undefined
          ? { x: site.value ? [grids[quantity.grid].ends[0]] : [], y: [site.value] }
          : lineOf(quantity, site);
      const at = line.y.findIndex((number) => number > 0);
      if (at >= 0 && line.x.length && (first === null || line.x[at] < first.step))
        first = { step: line.x[at], quantity, site };
    }
  }
  if (!counted.length) return h('li', { text: t('health.not_counted') });
  if (first === null) return h('li', { class: 'good', text: t('health.finite') });
  return h(
    'li',
    { class: 'wrong' },
    h('button', {
      class: 'link',
      onclick: () =>
        setState({ step: nearestTick(first.step), node: first.site.node, view: 'node' }),
      text: t('health.nonfinite', {
        step: whole(first.step),
        node: nodes[first.site.node].name,
        what: label(first.quantity),
      }),
    }),
  );
}

function updates() {
  const quantity = byName.get('weight.update_ratio');
  if (!quantity) return null;
  const medians = quantity.sites
    .filter((site) => !/bias|beta/.test(site.part ?? ''))
    .map((site) => {
      const all = lineOf(quantity, site)
        .y.filter(Number.isFinite)
        .sort((a, b) => a - b);
      return all[all.length >> 1];
    })
    .filter((number) => number !== undefined);
  const inside = medians.filter((number) => number > 1e-4 && number < 1e-2).length;
  return h('li', {
    text: medians.length
      ? t('health.updates', { inside, all: medians.length })
      : t('health.no_updates'),
  });
}

function zeros(name, key) {
  const quantity = byName.get(name);
  // A softmax has no zeros but by underflow: it says nothing about dead units.
  const isTold = ({ node }) =>
    nodes[node].category === 'activation' && nodes[node].op !== 'Softmax';
  const told = quantity ? quantity.sites.filter(isTold) : [];
  if (!told.length) return null;
  return h(
    'li',
    {},
    liveText(() => {
      const active = told
        .map((site) => [site, valueAt(quantity, site, state.step)])
        .filter(([, number]) => number !== null);
      if (!active.length) return t('health.no_activations');
      const [site, number] = active.reduce((a, b) => (b[1] > a[1] ? b : a));
      return t(`health.${key}`, {
        share: figure(100 * number),
        node: nodes[site.node].name,
        step: whole(state.step),
      });
    }),
  );
}

function panel(key, names) {
  const lines = names.flatMap((name) =>
    byName
      .get(name)
      .sites.map((site) => ({ quantity: byName.get(name), site, name: label(byName.get(name)) })),
  );
  const moving = different(lines.filter((line) => line.site.row !== undefined));
  if (key === 'more') return more(lines);
  const still = lines.filter((line) => line.site.row === undefined && line.site.value);
  const told = still
    .map(
      (line) =>
        `${line.name}: ${figure(line.site.value, line.quantity.unit)} (${t('page.constant')})`,
    )
    .join(' · ');
  if (!moving.length)
    return told
      ? h('section', {}, h('h3', { text: t(`panel.${key}`) }), h('p', { text: told }))
      : null;
  const notes = [
    t(`panel.${key}_note`),
    moving.some(({ quantity }) => grids[quantity.grid].width > 1)
      ? noteThin(moving[0].quantity)
      : '',
    told,
  ];
  return chartFigure(
    { title: t(`panel.${key}`), note: notes.filter(Boolean).join(' ') },
    (holder) => lineChart(holder, moving, { title: t(`panel.${key}`), height: 190 }),
  );
}

/** Without lines that run along an earlier one all the way, such as the loss without regularisation. */
function different(lines) {
  const kept = [];
  for (const line of lines) {
    const mine = lineOf(line.quantity, line.site).y;
    const same = (other) =>
      other.length === mine.length && other.every((number, i) => Object.is(number, mine[i]));
    if (!kept.some((one) => same(one.numbers))) kept.push({ ...line, numbers: mine });
  }
  return kept;
}

function noteThin(quantity) {
  const { ends, width } = grids[quantity.grid];
  return t('page.thinned', { points: whole(ends.length), width: whole(width) });
}

/** Quantities of a step that no chart is made for: their values at the marked step. */
function more(lines) {
  return h(
    'section',
    {},
    h('h3', { text: t('panel.more') }),
    h(
      'table',
      {},
      h(
        'tbody',
        {},
        lines.map((line) =>
          h(
            'tr',
            {},
            h('td', { text: line.name }),
            h(
              'td',
              {},
              liveText(() =>
                figure(valueAt(line.quantity, line.site, state.step), line.quantity.unit),
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** Where the parameters sit: the nodes that have most of them. */
function parameterBars() {
  const ranked = nodes
    .map((facts, number) => [number, facts.params ?? 0])
    .filter(([, count]) => count)
    .sort((a, b) => b[1] - a[1]);
  if (!ranked.length) return null;
  const all = content.totals.params[0] || 1;
  const shown = ranked.slice(0, 10);
  return h(
    'section',
    {},
    h('h2', { text: t('overview.parameters') }),
    h(
      'table',
      { class: 'bars' },
      h(
        'tbody',
        {},
        shown.map(([number, count]) =>
          h(
            'tr',
            {},
            h('td', {}, links([number])),
            h(
              'td',
              { class: 'wide' },
              h('span', {
                class: 'meter',
                style: {
                  width: `${(100 * count) / shown[0][1]}%`,
                  background: `var(--bar-${nodes[number].category})`,
                },
              }),
            ),
            h('td', { text: whole(count) }),
            h('td', { class: 'muted', text: `${((100 * count) / all).toPrecision(3)} %` }),
          ),
        ),
      ),
    ),
    ranked.length > shown.length
      ? h('p', {
          class: 'muted',
          text: t('overview.more', { count: ranked.length - shown.length }),
        })
      : null,
  );
}

function about() {
  const told = [
    ['about.data', run.data],
    ['about.batch', run.batch_size],
    ['about.loss', run.loss],
    ['about.optimizer', run.optimizer],
    ['about.settings', run.settings.map(([name, value]) => `${name} ${value}`).join(', ')],
    ['about.seed', run.seed],
    ['about.created', run.created.replace('T', ' ')],
    ['about.took', run.seconds === null ? null : figure(run.seconds, 's')],
    [
      'about.versions',
      Object.entries(run.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', '),
    ],
  ];
  return h(
    'section',
    {},
    h('h2', { text: t('about.title') }),
    h(
      'dl',
      { class: 'facts' },
      told.map(([key, value]) =>
        value === null || value === '' || value === undefined
          ? null
          : [h('dt', { text: t(key) }), h('dd', {}, h('bdi', { text: String(value) }))],
      ),
    ),
  );
}
