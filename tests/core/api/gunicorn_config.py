"""One worker, so that whoever is killed is known."""

workers = 1
worker_class = "gthread"
threads = 2
control_socket_disable = True
