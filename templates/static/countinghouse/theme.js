// Pages that Unfold doesn't lay out (statements, errors) follow the theme that was chosen in the office, and without one that of the device.
(() => {
    const CHOSEN = "adminTheme";
    const follow = () => {
        const theme = (localStorage.getItem(CHOSEN) ?? "").replaceAll('"', "");
        if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
        else delete document.documentElement.dataset.theme;
    };
    follow();
    window.addEventListener("storage", follow);
})();
