/** Bars and lines as one SVG that needs no script, no style sheet and no font of its own. */

/** Groups of bars side by side, those of one name in one colour; values are written above them. */
export interface BarChart {
  readonly kind: "bars";
  readonly title: string;
  readonly groups: readonly {
    readonly name: string;
    readonly bars: readonly { readonly name: string; readonly value: number }[];
  }[];
}

/** Lines over a logarithmic axis; the other axis is logarithmic too where values differ by far. */
export interface LineChart {
  readonly kind: "lines";
  readonly title: string;
  /** What the horizontal axis counts. */
  readonly x: string;
  readonly series: readonly {
    readonly name: string;
    readonly points: readonly { readonly x: number; readonly y: number }[];
  }[];
}

export type Chart = BarChart | LineChart;

const width = 960;
const height = 360;
const plot = { left: 70, right: 20, top: 92, bottom: 56 };
const plotWidth = width - plot.left - plot.right;
const plotHeight = height - plot.top - plot.bottom;
const floorY = plot.top + plotHeight;
/** Told apart on white by most people who do not see all colours (Okabe and Ito). */
const colours = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"];
const ink = "#1f2328";
const faint = "#d0d7de";
/** Values further apart than this need a logarithmic axis to be seen at once. */
const farApart = 60;

/** One picture of all of them, one below the other. */
export const svgOf = (charts: readonly Chart[]): string => {
  const drawn = charts.map(
    (chart, at) => `<g transform="translate(0 ${at * height})">\n${draw(chart)}\n</g>`,
  );
  const whole = Math.max(1, charts.length) * height;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${whole}" viewBox="0 0 ${width} ${whole}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="${ink}">`,
    `<rect width="${width}" height="${whole}" fill="#ffffff"/>`,
    ...drawn,
    "</svg>\n",
  ].join("\n");
};

const draw = (chart: Chart): string => (chart.kind === "bars" ? drawBars(chart) : drawLines(chart));

const drawBars = ({ title, groups }: BarChart): string => {
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ name }) => name)))];
  const scale = verticalScale(groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const groupWidth = plotWidth / Math.max(1, groups.length);
  const barWidth = Math.min(56, (groupWidth * 0.8) / Math.max(1, names.length));
  const bars = groups.flatMap((group, groupAt) => {
    const middle = plot.left + groupWidth * (groupAt + 0.5);
    const first = middle - (barWidth * group.bars.length) / 2;
    return [
      text(middle, floorY + 22, group.name, "middle"),
      ...group.bars.flatMap(({ name, value }, at) => {
        const x = first + barWidth * at;
        const y = scale.y(value);
        const colour = colourOf(names.indexOf(name));
        return [
          `<rect x="${at1(x + 1)}" y="${at1(y)}" width="${at1(barWidth - 2)}" height="${at1(Math.max(0, floorY - y))}" fill="${colour}"/>`,
          text(x + barWidth / 2, y - 5, short(value), "middle", 12),
        ];
      }),
    ];
  });
  return [heading(title), ...scale.lines, ...legend(names), ...bars].join("\n");
};

const drawLines = ({ title, x, series }: LineChart): string => {
  const points = series.flatMap((one) => one.points);
  const scale = verticalScale(points.map((point) => point.y));
  const marks = [...new Set(points.map((point) => point.x))].sort((a, b) => a - b);
  const [least = 1, most = 1] = [marks[0], marks.at(-1)];
  const span = Math.log(most / least) || 1;
  const inset = 40;
  const xOf = (value: number) =>
    plot.left + inset + (Math.log(value / least) / span) * (plotWidth - 2 * inset);
  return [
    heading(title),
    ...scale.lines,
    ...legend(series.map(({ name }) => name)),
    ...marks.map((mark) => text(xOf(mark), floorY + 20, thousands(mark), "middle", 12)),
    text(plot.left + plotWidth / 2, floorY + 42, x, "middle"),
    ...series.flatMap((one, at) => {
      const places = one.points.map((point) => [at1(xOf(point.x)), at1(scale.y(point.y))] as const);
      const line = places.map((place) => place.join(",")).join(" ");
      return [
        `<polyline points="${line}" fill="none" stroke="${colourOf(at)}" stroke-width="2.5"/>`,
        ...places.map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="4" fill="${colourOf(at)}"/>`),
      ];
    }),
  ].join("\n");
};

interface Scale {
  readonly y: (value: number) => number;
  /** The axis: lines across the plot and their values. */
  readonly lines: readonly string[];
}

const verticalScale = (values: readonly number[]): Scale => {
  const positive = values.filter((value) => value > 0);
  const most = Math.max(1e-9, ...positive);
  const least = Math.min(most, ...positive);
  const isLogarithmic = most / least > farApart;
  const marks = isLogarithmic ? decades(least, most) : steps(most);
  const [low = 0, high = most] = [marks[0], marks.at(-1)];
  const share = (value: number) =>
    isLogarithmic ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : value / high;
  const y = (value: number) => floorY - share(value) * plotHeight;
  return {
    y,
    lines: marks.flatMap((mark) => [
      `<line x1="${plot.left}" x2="${width - plot.right}" y1="${at1(y(mark))}" y2="${at1(y(mark))}" stroke="${faint}"/>`,
      text(plot.left - 8, y(mark) + 4, thousands(mark), "end", 12),
    ]),
  };
};

/** Powers of ten from below the least to above the most. */
const decades = (least: number, most: number): number[] => {
  const [from, to] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  return Array.from({ length: Math.max(1, to - from) + 1 }, (_, at) => 10 ** (from + at));
};

/** 0 and some round steps up to above the most. */
const steps = (most: number): number[] => {
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough) ?? rough;
  return Array.from({ length: Math.ceil((most * 1.02) / step) + 1 }, (_, at) => at * step);
};

const heading = (title: string): string =>
  `<text x="${plot.left}" y="28" font-size="16" font-weight="bold">${escape(title)}</text>`;

/** In rows under the title. */
const legend = (names: readonly string[]): string[] => {
  let x = plot.left;
  let y = 42;
  return names.flatMap((name, at) => {
    // No font is measured here: seven pixels a letter is ample at this size.
    const wide = 34 + name.length * 7;
    if (x + wide > width) {
      x = plot.left;
      y += 20;
    }
    const start = x;
    x += wide;
    return [
      `<rect x="${start}" y="${y}" width="12" height="12" fill="${colourOf(at)}"/>`,
      text(start + 18, y + 11, name, "start"),
    ];
  });
};

const colourOf = (at: number): string => colours[at % colours.length] ?? ink;

const text = (x: number, y: number, what: string, anchor: "start" | "middle" | "end", size = 13): string =>
  `<text x="${at1(x)}" y="${at1(y)}" text-anchor="${anchor}" font-size="${size}">${escape(what)}</text>`;

const at1 = (value: number): string => String(Number(value.toFixed(1)));

/** Three figures, as few decimals as that takes. */
const short = (value: number): string =>
  value >= 100 ? thousands(Math.round(value)) : String(Number(value.toPrecision(2 + Number(value >= 10))));

const thousands = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(3)));

const escape = (what: string): string =>
  what.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
