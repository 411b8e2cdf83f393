// The address that was asked for goes with the token, so that a link leads there after all.
document.forms[0].action = "/login" + location.hash;
document.documentElement.dataset.theme = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
