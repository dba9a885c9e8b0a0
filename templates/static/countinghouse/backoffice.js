// Forms of settings: a field that fits only some values of another one is hidden while it doesn't fit. The server leaves it out too.
document.addEventListener("DOMContentLoaded", () => {
    const dependent = [...document.querySelectorAll(".ch-field [data-fits]")];
    const show = () => {
        for (const field of dependent) {
            const other = field.form?.elements[field.dataset.fits];
            const box = field.closest(".ch-field");
            const isShown = other && !other.closest(".ch-field")?.hidden && field.dataset.fitsValues.split(" ").includes(other.value);
            box.hidden = !isShown;
        }
    };
    if (dependent.length) {
        document.addEventListener("change", show);
        show();
    }
});

// The form of an upload: a file that is too large is refused before it is sent.
document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches?.("input[type=file][data-limit]")) {
        const limit = Number(field.dataset.limit);
        const size = field.files[0]?.size ?? 0;
        const words = `The file has ${size.toLocaleString("en")} bytes, and ${limit.toLocaleString("en")} are allowed. Compress or divide it.`;
        field.setCustomValidity(size > limit ? words : "");
        field.reportValidity();
    }
});

// The sums of a long list: they are asked for once the list is shown, which doesn't wait for them.
document.addEventListener("DOMContentLoaded", () => {
    for (const foot of document.querySelectorAll("[data-sums]")) {
        const fail = () => foot.replaceChildren("The sums couldn't be read. Reload the page to try again.");
        fetch(foot.dataset.sums)
            .then((reply) => (reply.ok && !reply.redirected ? reply.text() : Promise.reject()))
            .then((html) => { foot.innerHTML = html; })
            .catch(fail);
    }
});

// Charts are drawn with colours of their own: bars and figures get those of the theme, also when it changes.
window.addEventListener("load", () => {
    const paint = () => {
        const style = getComputedStyle(document.documentElement);
        for (const canvas of document.querySelectorAll("canvas.chart")) {
            const chart = window.Chart?.getChart(canvas);
            if (!chart) continue;
            for (const axis of ["x", "y"]) chart.options.scales[axis].ticks.color = style.getPropertyValue("--ch-muted").trim();
            for (const dataset of chart.data.datasets) dataset.backgroundColor = style.getPropertyValue("--ch-chart").trim();
            chart.update("none");
        }
    };
    // After Unfold's own listener, which makes the charts.
    setTimeout(paint);
    new MutationObserver(paint).observe(document.documentElement, { attributeFilter: ["class"] });
});

// Paper is white: a page that is dark on the screen is light while it is printed.
(() => {
    const root = document.documentElement;
    let isDark = false;
    window.matchMedia("print").addEventListener("change", ({ matches }) => {
        if (matches) isDark = root.classList.contains("dark");
        root.classList.toggle("dark", isDark && !matches);
    });
})();

// A form that is sent after the session has ended leads to the page of signing in, and from there back to the empty form. What was typed is
// kept in this tab meanwhile, without passwords and files, and is filled in again there. Any other page that is shown instead drops it.
document.addEventListener("DOMContentLoaded", () => {
    const KEPT = "countinghouse.sent-form";
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    const isSignIn = document.querySelector("form#login-form") !== null;
    if (kept && isSignIn) {
        sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, hasSignedIn: true }));
        return;
    }
    sessionStorage.removeItem(KEPT);
    const isBack = kept?.hasSignedIn && kept.path === location.pathname;
    const forms = isBack ? [...document.querySelectorAll("#content form")].filter((each) => each.method === "post") : [];
    const typed = (form) => [...form.elements].filter((field) => field.name && field.type !== "hidden" && field.name in kept.values);
    const form = forms.find((each) => typed(each).length);
    for (const field of form ? typed(form) : []) {
        const values = kept.values[field.name];
        if (field.type === "checkbox" || field.type === "radio") field.checked = values.includes(field.value);
        else if (field.multiple) for (const option of field.options) option.selected = values.includes(option.value);
        else if (field.tagName !== "BUTTON") field.value = values[0];
        field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    if (form) {
        const note = document.createElement("p");
        note.className = "ch-caution";
        note.setAttribute("role", "status");
        note.textContent = "Your session had ended, and nothing was saved. What you had typed is filled in again: check it, and send it.";
        form.prepend(note);
    }
    document.addEventListener("submit", (event) => {
        const sent = event.target;
        if (!sent.closest("#content") || isSignIn || sent.method !== "post" || event.defaultPrevented) return;
        const secret = new Set([...sent.elements].filter((field) => field.type === "password").map((field) => field.name));
        const values = {};
        for (const [name, value] of new FormData(sent)) {
            if (typeof value === "string" && name !== "csrfmiddlewaretoken" && !secret.has(name)) (values[name] ??= []).push(value);
        }
        const path = new URL(sent.action || location.href, location.href).pathname;
        sessionStorage.setItem(KEPT, JSON.stringify({ path, values }));
    });
});
