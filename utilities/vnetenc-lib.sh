# Copyright (c) 2026 The vnetenc authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# Shell functions shared by the scripts in utilities/ and tests/.  Sourced,
# never run.

export LC_ALL=C.UTF-8

say () {
    printf '%s\n' "$*"
}

die () {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Seconds as "m:ss".
clock () {
    printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# load_env: read what ./configure wrote.  The build folder is the current one
# or $VNETENC_BUILDDIR.
load_env () {
    local dir=${VNETENC_BUILDDIR:-.}
    [ -r "$dir/vnetenc-env" ] \
        || die "no vnetenc-env in $dir: run ./configure there first"
    . "$dir/vnetenc-env"
    [ -n "$CFLAGS" ] || CFLAGS='-O2 -g'
    # It may have been installed after ./configure.
    [ -n "$CLANG" ] || CLANG=$(command -v clang)
}

# take_lock FILE WHAT: hold FILE until the script ends; waits for another run.
take_lock () {
    exec 9>>"$1" || die "cannot write $1"
    if ! flock -n 9; then
        say "another run is busy with $2; waiting for it"
        flock 9
    fi
}

# How far a long step is, from its log: the number of files compiled so far, of
# tests finished, or nothing.
progress_of () {
    local log=$1 n
    n=$(grep -cE '^ *[0-9]+: |::.* (PASSED|FAILED|SKIPPED|ERROR)' "$log" \
        2>/dev/null)
    [ "${n:-0}" -gt 0 ] && { printf '%s tests done' "$n"; return; }
    n=$(grep -cE '^ +(CC|CCLD|GEN|CXX) ' "$log" 2>/dev/null)
    [ "${n:-0}" -gt 0 ] && { printf '%s steps done' "$n"; return; }
    tail -n 1 "$log" 2>/dev/null | cut -c1-60
}

# long_step TITLE LOG COMMAND...: run a command with its output in LOG, say
# every 15 seconds how far it is, and show the end of the log if it fails.
long_step () {
    local title=$1 log=$2 start=$SECONDS status pid
    shift 2
    mkdir -p "${log%/*}"
    say "-- $title"
    "$@" >"$log" 2>&1 </dev/null 9>&- &
    pid=$!
    while :; do
        for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
            kill -0 $pid 2>/dev/null || break 2
            sleep 1
        done
        say "   $(clock $((SECONDS - start)))  $(progress_of "$log")"
    done
    wait $pid
    status=$?
    if [ $status -eq 0 ]; then
        say "   done in $(clock $((SECONDS - start)))"
    else
        say "   FAILED after $(clock $((SECONDS - start))); the end of $log:"
        tail -n 40 "$log" | sed 's/^/   | /'
    fi
    return $status
}

# print_make DIR EXPRESSION: what the makefile in DIR expands it to.
print_make () {
    # A makefile that must be made anew would print a message first.
    make -s -C "$1" --no-print-directory Makefile >/dev/null || return
    printf 'include Makefile\nvnetenc-print:\n\t@echo %s\n' "${2//$'\n'/ }" \
        | make -s -C "$1" --no-print-directory -f - vnetenc-print
}
