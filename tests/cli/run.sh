#!/usr/bin/env bash
# Completions in real shells, and the man pages by real readers. The last line is `cli: N passed, M failed`.
# SERIN=path/to/serin takes that binary instead of building one.
set -euo pipefail
cd "$(dirname "$0")/../.."
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"
# shellcheck source=tests/fetch.sh
. tests/fetch.sh
missing=()
for tool in zsh fish mandoc groff; do command -v "$tool" >/dev/null || missing+=("$tool"); done
install_packages "${missing[@]}"
[ -n "${SERIN:-}" ] || cargo build --quiet --locked --bin serin
serin="$(realpath "${SERIN:-$target/debug/serin}")"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" "$work/registry" "$work/zfunc"
ln -s "$serin" "$work/bin/serin"
# Cargo stays where it is, and the shells read no file of the user.
export RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}"
export PATH="$work/bin:$PATH" HOME="$work" SERIN_REGISTRY="$work/registry" XDG_RUNTIME_DIR="$work/registry"
unset SERIN_ADMIN SERIN_FLAGS SERIN_STATE
cat >"$work/flags.yaml" <<END
state: $work/state
providers:
  alpha: { base_url: http://a.test/v1 }
  beta: { base_url: http://b.test/v1 }
rollouts:
  - { name: chat, stable: alpha, canary: beta, percent: 0, match: { endpoints: [chat/completions] } }
  - { name: talk, stable: alpha, canary: beta, percent: 0, match: { endpoints: [messages] } }
END
cd "$work"
passed=0 failed=0
check() { # what, expected words, found words
    local word
    for word in $2; do
        if ! grep -qxF -- "$word" <<<"$3"; then
            echo "FAILED $1: no \`$word\` in: $(tr '\n' ' ' <<<"$3")"
            failed=$((failed + 1))
            return
        fi
    done
    passed=$((passed + 1))
}

for shell in bash zsh fish; do serin completions "$shell" >"$work/serin.$shell"; done

in_bash() {
    bash --norc -c '
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _serin_with_names "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}" 2>/dev/null || true
        printf "%s\n" "${COMPREPLY[@]}"' bash "$work/serin.bash" "$@"
}
for command in rollback resume pause promote why history; do
    check "bash: serin $command" "chat talk" "$(in_bash serin "$command" "")"
done
check "bash: a word that was begun" "chat" "$(in_bash serin rollback ch)"
check "bash: --rollout" "chat talk" "$(in_bash serin bucket u1 --rollout "")"
for command in check status; do
    check "bash: serin $command --provider" "alpha beta" "$(in_bash serin "$command" --provider "")"
done
check "bash: commands stay" "rollback plan" "$(in_bash serin "")"
check "bash: options stay" "--reason" "$(in_bash serin rollback --)"
grep -q '\[ROLLOUT\]' <<<"$(in_bash serin rollback "")" && { echo "FAILED bash: offers [ROLLOUT]"; failed=$((failed + 1)); }

cp "$work/serin.zsh" "$work/zfunc/_serin"
in_zsh() { # the line
    cat >"$work/ask.zsh" <<'END'
zmodload zsh/zpty
zpty asked zsh -f -i
zpty -w asked "PROMPT=; PS2=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; zstyle ':completion:*' list-colors ''; LISTMAX=1000; bindkey '^I' complete-word; setopt no_always_last_prompt; echo set-up-${:-done}"
repeat 600; do zpty -r -t asked line && [[ $line == *set-up-done* ]] && break; sleep 0.05; done
zpty -n -w asked "$2"$'\t'
all=
repeat 400; do
    if zpty -r -t asked line; then all+=$line; fi
    [[ $all == *chat* && $all == *talk* || $all == *alpha* && $all == *beta* ]] && break
    sleep 0.05
done
print -r -- $all
zpty -d asked
END
    timeout 60 zsh -f "$work/ask.zsh" "$work/zfunc" "$1" 2>/dev/null | sed 's/\x1b\[[0-9;?]*[A-Za-z]/ /g' | tr -cs 'a-z_' '\n'
}
check "zsh: serin rollback" "chat talk" "$(in_zsh 'serin rollback ')"
check "zsh: --rollout" "chat talk" "$(in_zsh 'serin bucket --rollout ')"
check "zsh: --provider" "alpha beta" "$(in_zsh 'serin check --probe --provider ')"

in_fish() { fish --no-config -c "source $work/serin.fish; complete -C '$1'" 2>/dev/null | cut -f1; }
for command in rollback resume why; do check "fish: serin $command" "chat talk" "$(in_fish "serin $command ")"; done
check "fish: --rollout" "chat talk" "$(in_fish 'serin bucket u1 --rollout ')"
check "fish: --provider" "alpha beta" "$(in_fish 'serin check --probe --provider ')"

# Nothing that is wrong shows itself in a user's line.
rm "$work/flags.yaml"
silent="$(serin __complete rollouts serin rollback 2>&1)"
if [ -z "$silent" ]; then passed=$((passed + 1)); else echo "FAILED: $silent"; failed=$((failed + 1)); fi

cd - >/dev/null
cargo run --quiet --locked --example man_pages -- "$work/man"
for page in "$work"/man/*.1; do
    said="$(groff -man -ww -z -Tutf8 "$page" 2>&1; mandoc -T lint -W error "$page" 2>&1 || true)"
    name="$(basename "$page" .1)"
    html="$(mandoc -T html "$page" 2>/dev/null || true)"
    if [ -z "$said" ] && [[ $html == *SYNOPSIS* ]]; then
        passed=$((passed + 1))
    else
        echo "FAILED $name: $said"
        failed=$((failed + 1))
    fi
done
echo "cli: $passed passed, $failed failed"
[ "$failed" = 0 ]
