"""JupyterHub for one workshop, started as root by `.venv/bin/jupyterhub -f` and this file.

`docs/jupyterhub.md` explains it.  Two variables say what differs from place to place:

- `WORKSHOP_HUB_URL`: the hub's address as participants type it.
- `WORKSHOP_SITE`: the profile of a cluster (`configs/sites/`), on which every JupyterLab is then a
  SLURM job.  Without it they are processes of this machine.
"""

import sys

import batchspawner  # noqa: F401 - the hub then takes from a job the port that it listens on

from workshop.classroom.jupyterhub_jobs import WORK_FOLDER, job_script
from workshop.paths import ROOT
from workshop.run_agents.slurm import site
from workshop.settings import settings

c = get_config()  # noqa: F821 - JupyterHub puts it here

# Who may come: everybody who has an account on this machine, by their password.
c.JupyterHub.authenticator_class = "pam"
c.Authenticator.allow_all = True  # or some: c.PAMAuthenticator.allowed_groups = {"workshop"}

# Where: on loopback, until there is TLS, by a web server before the hub or by its own certificate.
c.JupyterHub.ip = "127.0.0.1"
c.JupyterHub.public_url = settings().hub_url

# What participants get: JupyterLab at the notebooks of their own copy of the kit.
START_LAB = str(ROOT / "deploy" / "jupyterhub" / "start_lab.py")
c.Spawner.notebook_dir = str(WORK_FOLDER)
c.Spawner.default_url = "/lab/tree/notebooks"
# Others on a shared machine could otherwise listen to the kernels' messages.
c.Spawner.args = ["--KernelManager.transport_encryption=auto"]
# Seconds.  A shared file system may need long for the first import.
c.Spawner.http_timeout = 120
# Where SLURM's commands find the cluster, and `module` its modules, if not in the usual place; and
# how many participants train on this machine at a time, so that each takes their share of its CPUs.
c.Spawner.env_keep = [
    "PATH", "PYTHONPATH", "LANG", "LC_ALL", "SLURM_CONF", "MODULEPATH", "WORKSHOP_AGENTS",
]  # fmt: skip

if name := settings().site:
    c.JupyterHub.spawner_class = "batchspawner.SlurmSpawner"
    # Nodes speak to the hub, hence on every network, and the proxy to the nodes.  It is plain HTTP,
    # with participants' cookies and tokens in it: only for a network that you trust, such as a
    # cluster's own.  JupyterHub.internal_ssl would encrypt it; SlurmSpawner brings no certificates
    # to the nodes, so it needs a subclass with move_certs and ssl_alt_names (not tried).
    c.JupyterHub.hub_ip = ""
    c.SlurmSpawner.batch_script = job_script(site.load(name))
    c.SlurmSpawner.exec_prefix = "runuser -u {username} --"
    c.SlurmSpawner.batchspawner_singleuser_cmd = f"{sys.executable} -m batchspawner.singleuser"
    c.SlurmSpawner.cmd = [START_LAB]
else:
    c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
    c.LocalProcessSpawner.cmd = [sys.executable, START_LAB]

# A JupyterLab in which nothing has happened for an hour is ended.
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "services": ["idle-culler"],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
