// Draws the charts of a page: those in its script "figures", each in the element of its name.
const figures = JSON.parse(document.getElementById("figures").textContent);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Colours stand in the charts as var(--name): look them up in the reader's scheme.
function themed(value) {
  if (Array.isArray(value)) return value.map(themed);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, themed(item)]));
  }
  return typeof value === "string" && value.startsWith("var(--") ? css(value.slice(4, -1)) : value;
}

function layoutOf(figure) {
  const layout = themed(figure.layout);
  const line = { gridcolor: css("--rule"), linecolor: css("--rule-strong"), zerolinecolor: css("--rule"), automargin: true };
  return {
    ...layout,
    xaxis: { ...line, ...layout.xaxis },
    yaxis: { ...line, ...layout.yaxis },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 13, color: css("--ink") },
    margin: { l: 56, r: 16, t: 26, b: layout.showlegend === false ? 48 : 84 },
    hovermode: "closest",
    hoverlabel: { bgcolor: css("--page"), bordercolor: css("--rule-strong"), font: { color: css("--ink"), family: css("--sans") }, align: "left" },
    legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, bgcolor: "rgba(0,0,0,0)" },
    autosize: true,
  };
}

function draw() {
  for (const [id, figure] of Object.entries(figures)) {
    Plotly.react(id, themed(figure.data), layoutOf(figure), { responsive: true, displayModeBar: false });
  }
  document.body.dataset.drawn = Object.keys(figures).length;
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
