"""Whether this display can draw with OpenGL at all, found out without risk to the window."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

# platforms of Qt that have no OpenGL; asking them prints warnings or, for some drivers, crashes
_WITHOUT_GL = ("offscreen", "minimal", "vnc", "linuxfb")
_OLDEST = (2, 1)


def gl_problem() -> str | None:
    """Why no OpenGL context can be had, as a phrase for "not available: ..."; None when one can."""
    app = QGuiApplication.instance()
    if not isinstance(app, QGuiApplication):
        return "there is no window system yet"
    if app.platformName() in _WITHOUT_GL:
        return f"the display '{app.platformName()}' has no OpenGL"
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not surface.isValid() or not context.create() or not context.makeCurrent(surface):
        return "no OpenGL driver answers on this display"
    version = context.format().version()
    context.doneCurrent()
    surface.destroy()
    if version < _OLDEST:
        return f"OpenGL {version[0]}.{version[1]} is too old, {_OLDEST[0]}.{_OLDEST[1]} is needed"
    return None
