from .report import as_text
from .session import try_out

__all__ = ["as_text", "try_out"]
