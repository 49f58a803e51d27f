"""JupyterLab behind Open OnDemand's proxy, for whoever has the session's password."""

from pathlib import Path

from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.auth.login import LoginFormHandler


class DashboardLogin(LoginFormHandler):
    """Takes the form on the session's card.

    That form is a page of the dashboard and has no XSRF token of JupyterLab's.  Here the password
    itself proves that the request is wanted; every other request needs a token.
    """

    def check_xsrf_cookie(self) -> None:
        """Accept the request."""


c = get_config()  # noqa: F821 - traitlets provides it

# The proxy is on another machine, keeps the path, and puts the node's name for the dashboard's.
c.ServerApp.ip = "0.0.0.0"  # noqa: S104
c.ServerApp.port_retries = 0
c.ServerApp.allow_origin = "*"
c.ServerApp.trust_xheaders = True
c.ServerApp.open_browser = False

# Another site's page cannot act for the participant: the browser keeps the cookie from it.
c.IdentityProvider.cookie_options = {"samesite": "Strict"}
c.ServerApp.identity_provider_class = PasswordIdentityProvider
c.PasswordIdentityProvider.login_handler_class = DashboardLogin
c.PasswordIdentityProvider.hashed_password = (
    Path(__file__).with_name("password.hash").read_text().strip()
)
c.PasswordIdentityProvider.allow_password_change = False

# Others on the node could otherwise listen to the kernels' messages.
c.KernelManager.transport_encryption = "auto"

# Not a login shell, which on many systems forgets PATH and with it the kit's environment.
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
