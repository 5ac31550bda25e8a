// Draws the charts of a report from the data beside it, as plain SVG. Nothing is loaded from anywhere.
"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const LEFT = 72, RIGHT = 12, TOP = 12, BOTTOM = 44, ROW = 15;

  const node = (name, attributes = {}, ...children) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // What stands before "_b" and "_n" gets it as an index; everything else is text as it stands.
  const label = (text, attributes) => {
    const made = node("text", attributes);
    text.split(/([ωπ]_[bn])/).forEach((part) => {
      if (/^[ωπ]_[bn]$/.test(part)) made.append(part[0], node("tspan", { dy: 3, "font-size": "75%" }, part[2]), node("tspan", { dy: -3 }, "\u200b"));
      else if (part) made.append(part);
    });
    return made;
  };

  const digits = (value) => {
    if (value === null || !Number.isFinite(value)) return "?";
    const size = Math.abs(value);
    return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(5)));
  };

  const ticks = (low, high, log, wanted) => {
    if (log) {
      const found = [];
      for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.log10(high) + 1e-9; power++) found.push(10 ** power);
      if (found.length > 1) return found;
    }
    const step = 10 ** Math.floor(Math.log10((high - low) / wanted));
    const factor = [1, 2, 5, 10].find((f) => (high - low) / (f * step) <= wanted) || 10;
    const found = [];
    for (let k = Math.ceil(low / (factor * step) - 1e-9); k * factor * step <= high * (1 + 1e-12) + 1e-300; k++) found.push(k * factor * step);
    return found;
  };

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
      this.plot = figure.querySelector(".plot");
      this.said = figure.querySelector(".said");
      this.choice = 0;
      this.logx = Boolean(this.spec.logx);
      this.logy = Boolean(this.spec.logy);
      this.cursor = null;
      this.controls();
      this.reset();
      const picture = figure.querySelector("img");
      figure.querySelector("a.png").href = picture.src;
      picture.remove();
      this.events();
      new ResizeObserver(() => this.draw()).observe(this.plot);
    }

    get chosen() { return this.spec.choices[this.choice]; }

    controls() {
      const bar = this.figure.querySelector(".controls");
      const button = (text, title, action) => {
        const made = document.createElement("button");
        made.type = "button"; made.textContent = text; made.title = title; made.setAttribute("aria-label", title);
        made.addEventListener("click", () => action(made));
        bar.append(made);
        return made;
      };
      if (this.spec.choices.length > 1) {
        const select = document.createElement("select");
        select.setAttribute("aria-label", "which one to show");
        this.spec.choices.forEach((one, k) => select.add(new Option(one.name, String(k))));
        select.addEventListener("change", () => { this.choice = Number(select.value); this.cursor = null; this.reset(); this.draw(); });
        bar.append(select);
      }
      button("+", "zoom in", () => this.zoom(0.5));
      button("−", "zoom out", () => this.zoom(2));
      button("reset", "show everything", () => { this.reset(); this.draw(); });
      if (this.spec.kind === "strip") return;
      const toggle = (axis) => {
        const made = button(`log ${axis}`, `logarithmic ${axis} axis`, () => {
          this[`log${axis}`] = !this[`log${axis}`];
          made.setAttribute("aria-pressed", String(this[`log${axis}`]));
          this.reset(); this.draw();
        });
        made.setAttribute("aria-pressed", String(this[`log${axis}`]));
      };
      if (this.spec.maylogx) toggle("x");
      toggle("y");
    }

    // The range of x as it is drawn: logarithms where the axis is logarithmic.
    reset() {
      if (this.spec.kind === "strip") { this.range = [...this.spec.view]; this.whole = [this.spec.start, this.spec.stop]; return; }
      const all = this.chosen.series.flatMap((s) => s.x).filter((x) => !this.logx || x > 0).map((x) => this.sx(x));
      this.range = [Math.min(...all), Math.max(...all)];
      if (this.range[0] === this.range[1]) this.range = [this.range[0] - 1, this.range[1] + 1];
      this.whole = [...this.range];
    }

    sx(x) { return this.logx ? Math.log10(x) : x; }
    unsx(u) { return this.logx ? 10 ** u : u; }

    zoom(factor, about = 0.5) {
      const [low, high] = this.range, centre = low + about * (high - low), [first, last] = this.whole;
      const span = Math.min((high - low) * factor, last - first);
      const begin = Math.min(Math.max(centre - about * span, first), last - span);
      if (span > 1e-9 * (last - first)) { this.range = [begin, begin + span]; this.draw(); }
    }

    pan(share) {
      const [low, high] = this.range, span = high - low, [first, last] = this.whole;
      const begin = Math.min(Math.max(low + share * span, first), last - span);
      this.range = [begin, begin + span];
      this.draw();
    }

    events() {
      let held = null;
      const share = (event) => {
        const box = this.plot.getBoundingClientRect();
        return (event.clientX - box.left - LEFT) / Math.max(box.width - LEFT - RIGHT, 1);
      };
      this.plot.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.shiftKey) return;  // the page still scrolls over a chart
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, Math.min(Math.max(share(event), 0), 1));
      }, { passive: false });
      this.plot.addEventListener("dblclick", () => { this.reset(); this.draw(); });
      this.plot.addEventListener("pointerdown", (event) => { held = share(event); this.plot.setPointerCapture(event.pointerId); });
      this.plot.addEventListener("pointerup", () => { held = null; });
      this.plot.addEventListener("pointercancel", () => { held = null; });
      this.plot.addEventListener("pointermove", (event) => {
        const now = share(event);
        if (held !== null && event.buttons) { this.pan(held - now); held = now; return; }
        this.point(this.range[0] + now * (this.range[1] - this.range[0]));
      });
      this.plot.addEventListener("pointerleave", () => { if (held === null) { this.cursor = null; this.say(); this.draw(); } });
      this.plot.addEventListener("keydown", (event) => {
        const actions = {
          "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), "0": () => { this.reset(); this.draw(); },
          ArrowRight: () => (event.shiftKey ? this.pan(0.2) : this.step(1)), ArrowLeft: () => (event.shiftKey ? this.pan(-0.2) : this.step(-1)),
        };
        if (actions[event.key]) { event.preventDefault(); actions[event.key](); }
      });
    }

    // Places that can be pointed at: clicks of a strip, bins or points of the first series.
    places() {
      if (this.spec.kind === "strip") return this.spec.clicks.flatMap((times, k) => times.map((t) => [t, k])).sort((a, b) => a[0] - b[0]);
      const x = this.chosen.series[0].x;
      return this.spec.kind === "bins" ? x.slice(1).map((high, k) => [(x[k] + high) / 2, k]) : x.map((at, k) => [at, k]);
    }

    point(u) {
      const places = this.places();
      if (!places.length) return;
      let best = 0;
      if (this.spec.kind === "bins") {
        const edges = this.chosen.series[0].x, at = this.unsx(u);
        best = Math.min(Math.max(edges.findIndex((edge) => edge > at) - 1, 0), edges.length - 2);
        if (at >= edges[edges.length - 1]) best = edges.length - 2;
      } else {
        places.forEach(([x], k) => { if (Math.abs(this.sx(x) - u) < Math.abs(this.sx(places[best][0]) - u)) best = k; });
      }
      if (best !== this.cursor) { this.cursor = best; this.say(); this.draw(); }
    }

    step(by) {
      const count = this.places().length;
      if (!count) return;
      this.cursor = this.cursor === null ? 0 : Math.min(Math.max(this.cursor + by, 0), count - 1);
      this.say();
      this.draw();
    }

    say() {
      if (this.cursor === null) { this.said.textContent = this.spec.hint; return; }
      const [x, k] = this.places()[this.cursor];
      if (this.spec.kind === "strip") { this.said.textContent = `${this.spec.channels[k]} at ${digits(x)} ${this.spec.unit}`; return; }
      const edges = this.chosen.series[0].x;
      const where = this.spec.kind === "bins" ? `${digits(edges[k])} … ${digits(edges[k + 1])}` : digits(x);
      const entries = this.chosen.series.map((s) => {
        const name = this.chosen.series.length > 1 ? `${s.name}: ` : "";
        const error = s.error[k], exact = s.exact ? s.exact[k] : null;
        if (s.value[k] === null) return `${name}no event`;
        let text = `${name}${digits(s.value[k])} ± ${digits(error)}`;
        if (exact !== null && exact !== undefined) {
          text += `, exact ${digits(exact)}`;
          if (error) text += ` (${((s.value[k] - exact) / error).toFixed(1).replace(/^-0\.0$/, "0.0")} σ)`;
        }
        return text;
      });
      this.said.textContent = `${where}: ${entries.join("; ")}`;
    }

    draw() {
      const width = Math.max(this.plot.clientWidth, 240);
      const rows = this.spec.kind === "strip" ? this.spec.channels.length : 0;
      const height = rows ? Math.min(44 * rows, 600) + TOP + BOTTOM : Math.min(Math.max(width * 0.55, 220), 340);
      const wide = width - LEFT - RIGHT, high = height - TOP - BOTTOM;
      const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: 0, "aria-label": this.spec.alt });
      const [low, top] = this.range;
      const X = (x) => LEFT + (wide * (this.sx(x) - low)) / (top - low);
      const clip = `clip-${this.spec.id}`;
      svg.append(node("clipPath", { id: clip }, node("rect", { x: LEFT, y: TOP - 2, width: wide, height: high + 4 })));
      const inside = node("g", { "clip-path": `url(#${clip})` });
      const fewer = Math.max(Math.floor(wide / 90), 2);
      for (const tick of ticks(this.unsx(low), this.unsx(top), this.logx, fewer)) {
        const at = X(tick);
        if (at < LEFT - 0.5 || at > width - RIGHT + 0.5) continue;
        svg.append(node("line", { class: "axis", x1: at, x2: at, y1: TOP + high, y2: TOP + high + 5 }));
        svg.append(label(digits(tick), { x: at, y: TOP + high + 18, "text-anchor": "middle" }));
      }
      svg.append(label(this.spec.xlabel, { x: LEFT + wide / 2, y: height - 6, "text-anchor": "middle" }));
      svg.append(node("path", { class: "axis", d: `M${LEFT} ${TOP}V${TOP + high}H${width - RIGHT}` }));
      if (rows) this.strip(svg, inside, X, high / rows);
      else this.curves(svg, inside, X, wide, high);
      svg.append(inside);
      const focused = this.plot.contains(document.activeElement) && document.activeElement.tagName === "svg";
      this.plot.replaceChildren(svg);
      if (focused) svg.focus({ preventScroll: true });
    }

    strip(svg, inside, X, row) {
      for (const [start, stop] of this.spec.bundles) {
        inside.append(node("rect", { x: X(start) - 2, width: Math.max(X(stop) - X(start), 0) + 4, y: TOP, height: row * this.spec.channels.length, fill: "var(--s4)", opacity: 0.3 }));
      }
      this.spec.channels.forEach((name, k) => {
        const y = TOP + row * k;
        const short = name.length > 9 ? `${name.slice(0, 8)}…` : name;
        svg.append(label(short, { x: LEFT - 6, y: y + row / 2 + 4, "text-anchor": "end" }));
        const inView = this.spec.clicks[k].filter((t) => this.sx(t) >= this.range[0] && this.sx(t) <= this.range[1]);
        const lines = inView.map((t) => `M${X(t).toFixed(2)} ${y + 4}v${row - 8}`).join("");
        if (lines) inside.append(node("path", { d: lines, stroke: `var(--s${k % 6})`, "stroke-width": 1.6 }));
      });
      if (this.cursor !== null) this.mark(inside, X(this.places()[this.cursor][0]), row * this.spec.channels.length);
    }

    mark(inside, at, high) {
      inside.append(node("line", { x1: at, x2: at, y1: TOP, y2: TOP + high, stroke: "var(--quiet)", "stroke-dasharray": "2 3" }));
    }

    curves(svg, inside, X, wide, high) {
      const series = this.chosen.series, bins = this.spec.kind === "bins";
      const usable = (v) => v !== null && (!this.logy || v > 0);
      const seen = [];
      series.forEach((s) => s.value.forEach((v, k) => {
        const x0 = bins ? s.x[k + 1] : s.x[k], x1 = s.x[k];
        if ((this.logx && x0 <= 0) || this.sx(x0) < this.range[0] || (this.sx(x1) > this.range[1])) return;
        const half = (s.error[k] || 0) * s.band;
        [v, v === null ? null : v + half, v === null ? null : v - half, s.exact ? s.exact[k] : null, s.accidental ? s.accidental[k] : null].filter(usable).forEach((y) => seen.push(y));
      }));
      if (!seen.length) seen.push(this.logy ? 1 : 0, this.logy ? 10 : 1);
      let low = Math.min(...seen), top = Math.max(...seen);
      if (!this.logy && this.spec.fromzero) low = Math.min(low, 0);
      if (this.spec.reference !== null && usable(this.spec.reference)) { low = Math.min(low, this.spec.reference); top = Math.max(top, this.spec.reference); }
      if (this.logy) { low = Math.log10(low); top = Math.log10(top); }
      if (top === low) { top += 1; low -= 1; }
      const margin = 0.05 * (top - low);
      const entries = this.entries(series);
      const legend = 6 + ROW * (1 + entries[entries.length - 1].row);
      top += (top - low) * legend / (high - legend); // the legend is drawn above the curves
      if (this.logy || !this.spec.fromzero || low < 0) low -= margin;
      const Y = (y) => TOP + high * (1 - ((this.logy ? Math.log10(Math.max(y, 1e-300)) : y) - low) / (top - low));
      const levels = this.logy ? ticks(10 ** low, 10 ** top, true, 5) : ticks(low, top, false, 5);
      for (const tick of levels) {
        const at = Y(tick);
        if (at < TOP - 0.5 || at > TOP + high + 0.5) continue;
        svg.append(node("line", { class: "grid", x1: LEFT, x2: LEFT + wide, y1: at, y2: at, opacity: 0.5 }));
        svg.append(label(digits(tick), { x: LEFT - 6, y: at + 4, "text-anchor": "end" }));
      }
      svg.append(label(this.spec.ylabel, { x: 0, y: 0, transform: `translate(12 ${TOP + high / 2}) rotate(-90)`, "text-anchor": "middle" }));
      if (this.spec.reference !== null) inside.append(node("line", { class: "axis", x1: LEFT, x2: LEFT + wide, y1: Y(this.spec.reference), y2: Y(this.spec.reference) }));
      const bottom = TOP + high + 4;
      const y = (v) => (usable(v) ? Math.min(Y(v), bottom) : bottom);
      series.forEach((s, number) => {
        const colour = `var(--s${number % 6})`;
        const points = s.value.map((v, k) => (bins ? [s.x[k], s.x[k + 1], v, k] : [s.x[k], s.x[k], v, k])).filter(([a, b]) => !this.logx || b > 0);
        const known = points.filter(([, , v]) => usable(v));
        const left = (a) => X(this.logx && a <= 0 ? 10 ** (this.range[0] - 1) : a);
        if (bins) {
          known.forEach(([a, b, v, k]) => {
            const half = (s.error[k] || 0) * s.band;
            if (half) inside.append(node("rect", { x: left(a), width: Math.max(X(b) - left(a), 0.5), y: y(v + half), height: Math.max(y(v - half) - y(v + half), 0), fill: colour, opacity: 0.25 }));
          });
          inside.append(node("path", { d: known.map(([a, b, v]) => `M${left(a)} ${y(v)}H${X(b)}`).join(""), stroke: colour, "stroke-width": 1.8, fill: "none" }));
        } else {
          const upper = known.map(([a, , v, k]) => `${X(a)},${y(v + (s.error[k] || 0) * s.band)}`);
          const lower = known.map(([a, , v, k]) => `${X(a)},${y(v - (s.error[k] || 0) * s.band)}`).reverse();
          inside.append(node("polygon", { points: [...upper, ...lower].join(" "), fill: colour, opacity: 0.25 }));
          inside.append(node("polyline", { points: known.map(([a, , v]) => `${X(a)},${y(v)}`).join(" "), stroke: colour, "stroke-width": 1.8, fill: "none" }));
          known.forEach(([a, , v]) => inside.append(node("circle", { cx: X(a), cy: y(v), r: 2.5, fill: colour })));
        }
        if (s.exact) {
          const lines = points.filter(([, , , k]) => usable(s.exact[k] === undefined ? null : s.exact[k]));
          // Where some exact values are missing they are drawn as crosses: a line would suggest values in between.
          const complete = lines.length === points.length;
          let d = lines.map(([a, b, , k]) => `M${left(a)} ${y(s.exact[k])}H${X(b)}`).join("");
          if (!bins && complete) d = lines.map(([a, , , k], n) => `${n ? "L" : "M"}${X(a)} ${y(s.exact[k])}`).join("");
          if (!bins && !complete) d = lines.map(([a, , , k]) => `M${X(a) - 4} ${y(s.exact[k]) - 4}l8 8m-8 0l8 -8`).join("");
          inside.append(node("path", { d, stroke: "var(--exact)", "stroke-width": 1.3, "stroke-dasharray": bins || complete ? "5 3" : "", fill: "none" }));
        }
        if (s.accidental) {
          const d = points.filter(([, , , k]) => usable(s.accidental[k])).map(([a, , , k], n) => `${n ? "L" : "M"}${X(a)} ${y(s.accidental[k])}`).join("");
          inside.append(node("path", { d, stroke: colour, "stroke-width": 1, "stroke-dasharray": "1 3", fill: "none" }));
        }
      });
      this.legend(svg, entries);
      if (this.cursor !== null) this.mark(inside, X(this.places()[this.cursor][0]), high);
    }

    // What the legend says, and where: in as many rows as it takes.
    entries(series) {
      const entries = series.map((s, k) => [s.name, `var(--s${k % 6})`, ""]);
      if (series.some((s) => s.exact)) entries.push(["exact", "var(--exact)", "5 3"]);
      if (series.some((s) => s.accidental)) entries.push(["independent clicks", "var(--quiet)", "1 3"]);
      entries.push([series[0].atonce ? "95 % band, all at once" : "95 % band", null, ""]);
      let at = LEFT + 8, row = 0;
      return entries.map(([name, colour, dashes]) => {
        const wide = 36 + 6.6 * name.length;
        if (at + wide > this.plot.clientWidth && at > LEFT + 8) { at = LEFT + 8; row += 1; }
        at += wide;
        return { name, colour, dashes, row, at: at - wide };
      });
    }

    legend(svg, entries) {
      for (const { name, colour, dashes, row, at } of entries) {
        const y = TOP + ROW * row;
        if (colour === null) svg.append(node("rect", { x: at, width: 18, y: y + 1, height: 10, fill: "var(--s0)", opacity: 0.25 }));
        else svg.append(node("line", { x1: at, x2: at + 18, y1: y + 6, y2: y + 6, stroke: colour, "stroke-width": 2, "stroke-dasharray": dashes }));
        svg.append(label(name, { x: at + 22, y: y + 10 }));
      }
    }
  }

  document.querySelectorAll("figure[data-chart]").forEach((figure) => new Chart(figure));
  // Details are opened for printing, so that paper holds everything.
  window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
})();
