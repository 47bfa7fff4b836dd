"""What a host was like before a stage, what the stage is about to change, what it brought, and what removal may take back.

``records`` is the one format of state files and receipts, ``changes`` compares, both pure. ``take`` reads a host, ``statefile`` keeps the
state file, ``restore`` undoes. ``parse`` reads their text. Module ``codetr_snapshot`` is all of it for roles.
"""
