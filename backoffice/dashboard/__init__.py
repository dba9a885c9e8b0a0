"""The dashboard: `page` is what it shows, `figures`, `charts` and `alerts` its parts; `figure_rows` says which rows a figure adds up."""
