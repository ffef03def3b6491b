"""What VIP's portal reads of its engine, kept filled for the executions that it submits.

A process of its own, which the daemon starts when `vip.workflows` is set. It reads the engine's rows and
events, writes tables and files, and asks for what the portal's signals mean; nothing of the engine knows it.
Whatever it cannot write now it writes later, from the rows as they are then.
"""
