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
