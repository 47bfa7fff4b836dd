# Part of a stand-in for conda: a shell function that activates environments and leaves everything else to the program.
export CONDA_EXE='@PREFIX@/bin/conda'

conda() {
    case "${1:-}" in
        activate) shift; __stand_in_activate "$@" ;;
        deactivate) __stand_in_deactivate ;;
        *) "$CONDA_EXE" "$@" ;;
    esac
}

__stand_in_activate() {
    __stand_in_target="${1:-@PREFIX@}"
    case "$__stand_in_target" in
        base) __stand_in_target='@PREFIX@' ;;
        */*) ;;
        *) __stand_in_target="@PREFIX@/envs/$__stand_in_target" ;;
    esac
    if [ ! -f "$__stand_in_target/conda-meta/history" ]; then
        printf 'EnvironmentNameNotFound: Could not find conda environment: %s\n' "$__stand_in_target" >&2
        return 1
    fi
    __stand_in_deactivate
    export CONDA_PREFIX="$__stand_in_target"
    export CONDA_DEFAULT_ENV="${1:-base}" CONDA_SHLVL=1
    export PATH="$CONDA_PREFIX/bin:$PATH"
}

__stand_in_deactivate() {
    [ -n "${CONDA_PREFIX:-}" ] || return 0
    PATH=$(printf '%s' ":$PATH" | sed "s|:$CONDA_PREFIX/bin||; s|^:||")
    unset CONDA_PREFIX CONDA_DEFAULT_ENV
    export PATH CONDA_SHLVL=0
}
