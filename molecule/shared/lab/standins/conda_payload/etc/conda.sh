# Part of a stand-in for conda: the command in a shell, without `activate`, which no role runs.
export CONDA_EXE='@PREFIX@/bin/conda'

conda() {
    "$CONDA_EXE" "$@"
}
