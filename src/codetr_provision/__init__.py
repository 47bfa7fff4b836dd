"""The console command of codetr.provision: runs the playbooks, shows what happens, writes the report."""

__version__ = "0.1.0"
