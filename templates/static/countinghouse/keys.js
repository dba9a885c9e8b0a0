// The keyboard of the office. No key does anything while somebody types in a field, or together with Ctrl, Alt or the command key.
(() => {
    const KEYS = [
        ["Ctrl K", "Search everything"],
        ["/", "Search this list"],
        ["j  k", "The next row, the one before"],
        ["Enter", "Open the row"],
        ["x", "Select the row, where rows can be selected"],
        ["g h", "Home"],
        ["g c", "Customers"],
        ["g e", "Entries of billing"],
        ["g w", "Wallets"],
        ["g g", "Grants"],
        ["g a", "Corrections to approve"],
        ["a", "Approve, on the page of a request; asks first"],
        ["r", "Reject, on the page of a request; asks first"],
        ["?", "These keys"],
        ["Esc", "Close a window"],
    ];
    const PLACES = {
        h: "/admin/",
        c: "/admin/customers/",
        e: "/admin/billing/transaction/",
        w: "/admin/billing/wallet/",
        g: "/admin/credits/grant/",
        a: "/admin/corrections/correctionrequest/?box=to_approve",
    };
    let chosen = -1;
    let isGoing = false;

    const isTyping = (target) => target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable=true]");
    const isOpen = () => document.querySelector("dialog[open]");
    // Rows of a list; on other pages, rows of tables that lead somewhere.
    const rows = () => {
        const found = [...document.querySelectorAll("#result_list tbody tr")];
        const others = found.length ? found : [...document.querySelectorAll("#content .ch-table tbody tr, #content .ch-alerts li")];
        return others.filter((row) => row.offsetParent && row.querySelector("a[href]"));
    };

    const choose = (step) => {
        const all = rows();
        if (!all.length) return;
        all[chosen]?.classList.remove("ch-chosen");
        chosen = Math.min(Math.max(chosen + step, 0), all.length - 1);
        const row = all[chosen];
        row.classList.add("ch-chosen");
        row.scrollIntoView({ block: "nearest" });
        row.querySelector("a[href]").focus({ preventScroll: true });
    };

    const dialog = (title, build) => {
        const box = document.createElement("dialog");
        box.className = "ch-dialog";
        box.setAttribute("aria-label", title);
        const heading = document.createElement("h2");
        heading.textContent = title;
        box.append(heading);
        build(box);
        box.addEventListener("close", () => box.remove());
        document.body.append(box);
        box.showModal();
        return box;
    };

    const button = (text, style, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.className = `ch-button ${style}`;
        made.textContent = text;
        made.addEventListener("click", act);
        return made;
    };

    const showKeys = () =>
        dialog("Keys", (box) => {
            const list = document.createElement("dl");
            list.className = "ch-keys";
            for (const [key, what] of KEYS) {
                const name = document.createElement("dt");
                const letter = document.createElement("kbd");
                letter.textContent = key;
                name.append(letter);
                const words = document.createElement("dd");
                words.textContent = what;
                list.append(name, words);
            }
            box.append(list);
        });

    // Without a reason there is no rejection: the field says so until it is written in or left.
    const askForText = (field) => {
        field.focus();
        field.setCustomValidity("Write the reason first.");
        field.reportValidity();
        for (const name of ["input", "blur"]) field.addEventListener(name, () => field.setCustomValidity(""), { once: true });
    };

    // Asks, with the page's own words for what is decided, and then sends the form with this button. What the button needs is asked for first.
    const confirm = (target) => {
        const needed = document.getElementById(target.dataset.needs || "");
        if (needed && !needed.value.trim()) return askForText(needed);
        dialog(target.dataset.confirm, (box) => {
            for (const said of document.querySelectorAll("[data-says] > p")) {
                const line = document.createElement("p");
                line.textContent = said.textContent;
                box.append(line);
            }
            const buttons = document.createElement("div");
            buttons.className = "ch-buttons";
            const yes = button("Yes", target.classList.contains("ch-danger") ? "ch-danger" : "ch-primary", () => {
                box.close();
                // No click, which would ask again.
                target.form.requestSubmit(target);
            });
            buttons.append(yes, button("No", "", () => box.close()));
            box.append(buttons);
            setTimeout(() => yes.focus());
        });
    };

    document.addEventListener("click", (event) => {
        if (event.target.closest?.("[data-print]")) window.print();
        const asked = event.target.closest?.("button[data-confirm]");
        if (!asked) return;
        event.preventDefault();
        confirm(asked);
    });

    document.addEventListener("keydown", (event) => {
        if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat && !"jk".includes(event.key)) return;
        if (isTyping(event.target) || isOpen()) return;
        const key = event.key;
        if (isGoing) {
            isGoing = false;
            if (PLACES[key]) window.location.assign(PLACES[key]);
            return;
        }
        const decided = document.querySelector(`button[data-key="${CSS.escape(key)}"]`);
        if (decided) confirm(decided);
        else if (key === "?") showKeys();
        else if (key === "j") choose(1);
        else if (key === "k") choose(-1);
        else if (key === "g") isGoing = true;
        else if (key === "x") rows()[chosen]?.querySelector("input.action-select")?.click();
        else if (key === "/") document.getElementById("searchbar")?.focus();
        else return;
        event.preventDefault();
    });

    // A form is sent once, however often its button is pressed.
    document.addEventListener("submit", (event) => {
        const form = event.target;
        if (event.defaultPrevented || form.method !== "post") return;
        if (form.dataset.sent) event.preventDefault();
        form.dataset.sent = "1";
        // A page that is itself the answer to a form is kept by no browser: "back" would show an error, and offer to send that form again.
        // From here on its place in the history is the form's address, which shows what stands by then.
        if (document.querySelector("[data-posted]")) window.history.replaceState(null, "", window.location.href);
    });
    window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));
})();
