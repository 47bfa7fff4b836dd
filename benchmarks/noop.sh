#!/usr/bin/env bash
# What a second run costs on a finished host: site.yml against Ansible's own fact gathering, over ssh on the same host, in turns.
# Prints the median wall seconds of both and their ratio. ROUNDS=5 by default.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
lab=${CODETR_LAB_DIR:-$root/.lab}
rounds=${ROUNDS:-5}
export PATH=$root/.venv/bin:$PATH
export ANSIBLE_COLLECTIONS_PATH=$root/playbooks/collections:$HOME/.ansible/collections:/usr/share/ansible/collections
inventory=(-i "$lab/inventory" -i "$lab/hosts/bench.yml")
work=$(mktemp -d)
PYTHONPATH=molecule/shared python -m lab host create bench
trap 'rm -rf "$work"; PYTHONPATH=molecule/shared python -m lab host destroy bench' EXIT
echo "Provisioning the host once ..."
ansible-playbook "${inventory[@]}" playbooks/site.yml > "$work/first.log" || { tail -40 "$work/first.log"; exit 1; }
ansible-playbook "${inventory[@]}" playbooks/site.yml > "$work/second.log"
grep -q 'changed=0 .*failed=0' "$work/second.log" || { echo "The second run changed something:"; tail -5 "$work/second.log"; exit 1; }
python - "$rounds" "${inventory[@]}" <<'PY'
import statistics
import subprocess
import sys
import time

rounds, inventory = int(sys.argv[1]), sys.argv[2:]
sides = {
    "ansible -m setup": ["ansible", *inventory, "all", "-m", "ansible.builtin.setup"],
    "second site.yml": ["ansible-playbook", *inventory, "playbooks/site.yml"],
}
seconds = {name: [] for name in sides}
for _ in range(rounds):
    for name, command in sides.items():
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds[name].append(time.perf_counter() - begun)
for name, values in seconds.items():
    print(f"{name:<18} median {statistics.median(values):6.2f} s   ({', '.join(f'{value:.2f}' for value in values)})")
setup, site = (statistics.median(seconds[name]) for name in sides)
print(f"ratio {site / setup:.2f} (goal: 3 or less)")
PY
