#!/usr/bin/python
"""Wait for a long job on a host and report its progress."""

# The action plugin of the same name does the work. This file holds its documentation.

from __future__ import annotations

DOCUMENTATION = r"""
module: codetr_wait
short_description: Wait for a long job on a host and report its progress
version_added: "0.1.0"
description:
  - Polls a task that was started with C(async) and C(poll=0).
  - Prints a line when the figures change, every ten seconds at most, and one every minute for a job without figures.
  - The time left is extrapolated from at least three samples.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: full
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Nothing was started in check mode, so the task is skipped.
  connection:
    support: full
  delegation:
    support: full
  diff_mode:
    support: none
  platform:
    support: full
    platforms: posix
options:
  job:
    description: What the task registered.
    type: dict
    required: true
  label:
    description: The stage and what is being done, C(packages:\ compiling mmcv-full ops); each line begins with it.
    type: str
    required: true
  log:
    description: File on the host that the job writes to.
    type: str
  progress:
    description: Regular expression on the end of O(log), with two groups, done and total. The last match counts.
    type: str
  count:
    description: Text whose lines in O(log) are counted, as what is done of O(total).
    type: str
  total:
    description: How many lines with O(count) there will be.
    type: int
  then:
    description: What the job does once all is counted, instead of O(label), C(packages:\ installing Python packages).
    type: str
  progress_file:
    description:
      - File on the host that holds JSON with C(done) and C(total), instead of O(log) and O(progress).
      - C(doing) in it is what the job is doing now, and follows O(label).
    type: str
  progress_folder:
    description: Folder on the host with such files, one for each part of the job. Each part in progress gets a line.
    type: str
  gone_ok:
    description: A job that was killed, or cut off by a restart of the host, is no failure; the result says C(gone).
    type: bool
    default: false
seealso:
  - module: codetr.provision.codetr_command
  - module: ansible.builtin.async_status
author: codetr-provision maintainers (!UNKNOWN)
"""

EXAMPLES = r"""
- name: Wait for the wheel of mmcv-full
  codetr.provision.codetr_wait:
    job: "{{ build }}"
    label: "packages: compiling mmcv-full"
    log: /opt/codetr/log/mmcv.log
    progress: '\[(\d+)/(\d+)\]'
"""

RETURN = r"""
gone:
  description: Whether the job was killed or interrupted by a restart. The result of the job itself is returned as well.
  returned: when O(gone_ok=true)
  type: bool
  sample: false
"""
