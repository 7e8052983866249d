// Along the depth: one heat map of any quantity, and small multiples.

const ASKED = [
  ['output_grad.rms', 'output_grad.norm'],
  ['weight.grad_norm'],
  ['weight.update_ratio'],
  ['output.zero_fraction'],
  ['output.dead_channels'],
  ['output.rms', 'output.norm'],
  ['bn.batch_variance'],
];

function layers() {
  const quantity = byName.get(state.heat) ?? firstOf(...ASKED.flat()) ?? nodeQuantities()[0];
  if (!quantity) return [h('p', { class: 'muted', text: t('node.nothing') })];
  const buttons = ASKED.map((names) => firstOf(...names))
    .filter(Boolean)
    .map((one) =>
      h('button', {
        'aria-pressed': String(one === quantity),
        text: label(one),
        onclick: () => setState({ heat: one.name }),
      }),
    );
  const select = h(
    'select',
    { id: 'heat', onchange: (event) => setState({ heat: event.target.value }) },
    options(quantity.name),
  );
  const say = h('output', { class: 'muted', text: t('layers.hint') });
  const rows = quantity.sites
    .filter((site) => site.node >= 0)
    .map((site) => ({
      name: siteName(site),
      site,
      colour: (step) => colourOf(quantity, valueAt(quantity, site, step), state.theme)[0],
    }));
  return [
    h('h2', { text: t('view.layers') }),
    h('p', { text: t('layers.intro') }),
    h('p', { class: 'controls' }, buttons, h('label', {}, t('layers.other'), ' ', select)),
    chartFigure(
      {
        title: label(quantity),
        note: noteOf(quantity, 'page.wanted_colour'),
        below: [scaleLegend(quantity), say],
      },
      (holder) =>
        heatMap(holder, rows, {
          height: Math.min(620, 60 + Math.max(15, 20 - rows.length / 8) * rows.length),
          title: label(quantity),
          pick: (row) => setState({ node: row.site.node }),
          say: (row, step) => {
            say.textContent = t('layers.says', {
              node: row.name,
              step: whole(step),
              value: figure(valueAt(quantity, row.site, step), quantity.unit),
            });
          },
        }),
    ),
    multiples(),
  ];
}

/** A row for each node: gradient, update, zeros, batch against moving statistics. */
function multiples() {
  const columns = [
    firstOf('weight.grad_norm', 'output_grad.norm'),
    byName.get('weight.update_ratio'),
    byName.get('output.zero_fraction'),
    byName.get('bn.batch_mean'),
  ].filter(Boolean);
  if (!columns.length) return null;
  const rows = nodes
    .map((_, node) => node)
    .filter((node) =>
      columns.some((quantity) => sitesAt(quantity, node).some((site) => site.row !== undefined)),
    );
  return h(
    'section',
    {},
    h('h2', { text: t('layers.each') }),
    h('p', { class: 'muted', text: t('layers.each_note') }),
    h(
      'div',
      { class: 'scroll' },
      h(
        'table',
        { class: 'multiples' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { text: t('table.node') }),
            columns.map((quantity) =>
              h('th', {
                text: quantity.name === 'bn.batch_mean' ? t('layers.bn') : label(quantity),
              }),
            ),
          ),
        ),
        h(
          'tbody',
          {},
          rows.slice(0, 400).map((node) =>
            h(
              'tr',
              {},
              h('td', {}, links([node])),
              columns.map((quantity) => smallCell(quantity, node)),
            ),
          ),
        ),
      ),
    ),
    rows.length > 400
      ? h('p', { class: 'muted', text: t('layers.cut', { count: rows.length - 400 }) })
      : null,
  );
}

function smallCell(quantity, node) {
  const [site] = sitesAt(quantity, node);
  if (!site) return h('td');
  const text = () => figure(valueAt(quantity, site, state.step), quantity.unit);
  if (site.row === undefined)
    return h(
      'td',
      { class: 'muted' },
      h('div', { class: 'small' }, h('i', { class: 'spark' }), liveText(text)),
    );
  const lines = [lineOf(quantity, site)];
  const moving = quantity.name === 'bn.batch_mean' ? byName.get('bn.moving_mean') : null;
  const beside = moving ? sitesAt(moving, node)[0] : null;
  if (beside && beside.row !== undefined) lines.push(lineOf(moving, beside));
  return h(
    'td',
    {},
    h('div', { class: 'small' }, liveSpark(lines, quantity.scale), liveText(text)),
  );
}
