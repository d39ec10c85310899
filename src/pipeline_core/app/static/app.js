"use strict";
// Forms that answer as they are changed, pictures to search with, and drawings of many points. Pages work without it.
(() => {
  const pause = 120;

  // A form marked "live" is asked again when it changes; only the part of the page that answers it is replaced.
  const live = (form) => {
    let waiting, running;
    const ask = async () => {
      const values = new FormData(form);
      for (const [name, value] of [...values]) if (value === "" || value instanceof File) values.delete(name);
      const address = `${form.getAttribute("action")}?${new URLSearchParams(values)}`;
      running?.abort();
      running = new AbortController();
      try {
        const answer = await fetch(address, { signal: running.signal });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("#answer") ?? page.querySelector("main");
        document.getElementById("answer").replaceChildren(...fresh.childNodes);
        history.replaceState(null, "", address);
      } catch (error) {
        if (error.name !== "AbortError") location.assign(address);
      }
    };
    const soon = () => { clearTimeout(waiting); waiting = setTimeout(ask, pause); };
    form.addEventListener("input", (event) => {
      const shown = form.querySelector(`output[for="${event.target.id}"]`);
      if (shown) shown.value = event.target.value;
      if (event.target.type !== "file") soon();
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); ask(); });
  };

  // A picture that is chosen or dropped is sent as it is; the search then names it by its digest.
  const taking = (form) => {
    const file = form.querySelector("input[type=file]");
    const place = form.querySelector(".drop");
    const said = form.querySelector("[role=status]");
    const take = async (picture) => {
      said.textContent = "sending the picture …";
      const answer = await fetch("/asked", { method: "POST", body: picture, headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) { said.textContent = [told.problem, told.remedy].filter(Boolean).join("; "); return; }
      said.textContent = "";
      file.value = "";
      form.elements.picture.value = told.picture;
      form.requestSubmit();
    };
    file.addEventListener("change", () => { if (file.files[0]) take(file.files[0]); });
    for (const kind of ["dragover", "dragleave", "drop"]) place.addEventListener(kind, (event) => {
      event.preventDefault();
      place.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  };

  // Points of one drawing: x and y from 0 to 1, a tone each; pointed at they say what they are, dragged over they are chosen.
  const drawing = async (holder) => {
    const canvas = holder.querySelector("canvas");
    const said = holder.querySelector(".pointed");
    const idle = holder.dataset.idle ?? "";
    const answer = await fetch(holder.dataset.points, { headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (!answer.ok) { said.textContent = told.problem; return; }
    const { x, y, tone, label, link } = told;
    said.textContent = idle;
    const margin = 10;
    let from, to, scale;
    const place = (n) => [margin + x[n] * (scale.width - 2 * margin), scale.height - margin - y[n] * (scale.height - 2 * margin)];
    const draw = () => {
      const style = getComputedStyle(document.documentElement);
      const tones = ["--m0", "--m2", "--m1", "--soft"].map((name) => {
        const probe = document.createElement("i");
        probe.style.color = `var(${name})`;
        holder.append(probe);
        const colour = getComputedStyle(probe).color;
        probe.remove();
        return colour;
      });
      scale = canvas.getBoundingClientRect();
      const dense = devicePixelRatio || 1;
      canvas.width = scale.width * dense;
      canvas.height = scale.height * dense;
      const pen = canvas.getContext("2d");
      pen.scale(dense, dense);
      const side = x.length > 20000 ? 1.5 : x.length > 3000 ? 2 : 3;
      pen.globalAlpha = x.length > 20000 ? 0.35 : 0.6;
      for (let kind = 0; kind < tones.length; kind++) {
        pen.fillStyle = tones[kind];
        for (let n = 0; n < x.length; n++) if (tone[n] === kind) {
          const [left, top] = place(n);
          pen.fillRect(left - side / 2, top - side / 2, side, side);
        }
      }
      pen.globalAlpha = 1;
      if (from && to) {
        pen.strokeStyle = style.color;
        pen.strokeRect(from[0], from[1], to[0] - from[0], to[1] - from[1]);
      }
    };
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    const nearest = ([left, top]) => {
      let best = -1, least = 144;
      for (let n = 0; n < x.length; n++) {
        const [a, b] = place(n);
        const far = (a - left) ** 2 + (b - top) ** 2;
        if (far < least) { best = n; least = far; }
      }
      return best;
    };
    const share = ([left, top]) => [(left - margin) / (scale.width - 2 * margin), (scale.height - margin - top) / (scale.height - 2 * margin)];
    canvas.addEventListener("pointermove", (event) => {
      if (from) { to = at(event); requestAnimationFrame(draw); return; }
      const n = nearest(at(event));
      said.textContent = n < 0 ? idle : label[n];
      canvas.style.cursor = n < 0 ? "crosshair" : "pointer";
    });
    canvas.addEventListener("pointerdown", (event) => { from = at(event); canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", (event) => {
      const start = from, end = at(event);
      from = to = undefined;
      draw();
      if (Math.abs(end[0] - start[0]) + Math.abs(end[1] - start[1]) < 6) {
        const n = nearest(end);
        if (n >= 0) location.assign(link[n]);
        return;
      }
      const [a, b] = [share(start), share(end)];
      const chosen = { left: Math.min(a[0], b[0]), right: Math.max(a[0], b[0]), bottom: Math.min(a[1], b[1]), top: Math.max(a[1], b[1]) };
      const inside = [...x.keys()].filter((n) => x[n] >= chosen.left && x[n] <= chosen.right && y[n] >= chosen.bottom && y[n] <= chosen.top);
      holder.dispatchEvent(new CustomEvent("chosen", { bubbles: true, detail: { chosen, inside, label, link } }));
    });
    // By keyboard: arrows go from left to right through the points, faster with Shift, and Enter opens one.
    const order = [...x.keys()].sort((a, b) => x[a] - x[b]);
    let step = -1;
    canvas.tabIndex = 0;
    said.setAttribute("role", "status");
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Enter" && step >= 0) location.assign(link[order[step]]);
      if (!way || !order.length) return;
      event.preventDefault();
      step = Math.max(0, Math.min(order.length - 1, step + way * (event.shiftKey ? Math.ceil(order.length / 50) : 1)));
      draw();
      const [left, top] = place(order[step]);
      const pen = canvas.getContext("2d");
      pen.strokeStyle = getComputedStyle(canvas).color;
      pen.strokeRect(left - 5, top - 5, 10, 10);
      said.textContent = label[order[step]];
    });
    new ResizeObserver(draw).observe(canvas);
    document.getElementById("theme").addEventListener("click", () => requestAnimationFrame(draw));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    holder.dataset.drawn = x.length;
  };

  // What is dragged over in the drawing of features fills the fields of the form that filters them.
  const brushed = (form) => document.addEventListener("chosen", (event) => {
    const { chosen } = event.detail;
    const { energy, attribution } = JSON.parse(event.target.dataset.axes);
    const value = ([low, high], share) => (10 ** (low + share * (high - low))).toPrecision(4);
    form.elements.energy_from.value = value(energy, chosen.left);
    form.elements.energy_to.value = value(energy, chosen.right);
    form.elements.attribution_from.value = value(attribution, chosen.bottom);
    form.elements.attribution_to.value = value(attribution, chosen.top);
    form.requestSubmit();
  });

  // What is dragged over in a map is listed below it.
  const listed = (list) => document.addEventListener("chosen", (event) => {
    const { inside, label, link } = event.detail;
    const rows = inside.slice(0, 60).map((n) => {
      const [row, anchor] = [document.createElement("li"), document.createElement("a")];
      anchor.href = link[n];
      anchor.textContent = label[n];
      row.append(anchor);
      return row;
    });
    list.previousElementSibling.textContent = `${inside.length.toLocaleString("en")} chosen${inside.length > 60 ? ", 60 shown" : ""}`;
    list.replaceChildren(...rows);
  });

  for (const form of document.querySelectorAll("form[data-live]")) live(form);
  for (const form of document.querySelectorAll("form[data-takes-picture]")) taking(form);
  for (const holder of document.querySelectorAll("[data-points]")) drawing(holder);
  for (const form of document.querySelectorAll("form[data-brushed]")) brushed(form);
  for (const list of document.querySelectorAll("[data-lists]")) listed(list);
})();
