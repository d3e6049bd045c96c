"""What is told to a mail without effect. No sentence names an incident: its reader may have been left out of it."""

from notifications.wording import Reader


def answer_the_message_itself(reader: Reader) -> str:
    """To a mail that proves nothing, or not enough for what it asks."""
    if reader.language == "es":
        return (
            "¿Qué aviso? No se ha cambiado nada. Responda al propio mensaje, desde la dirección a la que llegó. "
            "Sí, no y resuelto solo valen así."
        )
    return (
        "Which page? Nothing was changed. Reply to the message itself, from the address that it went to. "
        "Yes, no and resolved count only there."
    )


def not_your_message(reader: Reader) -> str:
    """To an address that is not the one of the person whom the message was for."""
    if reader.language == "es":
        return (
            "No se ha cambiado nada: desde esta dirección no se puede responder a este mensaje. "
            "Responda desde la dirección a la que llegó."
        )
    return (
        "Nothing was changed: this message cannot be answered from this address. "
        "Reply from the address that it went to."
    )


def doubted(reader: Reader) -> str:
    """To the person whose name stands on a mail that our own mail server does not believe."""
    if reader.language == "es":
        return (
            "No se ha cambiado nada: el servidor de correo duda de que esa respuesta sea suya. Responda por otro canal."
        )
    return "Nothing was changed: the mail server doubts that this answer was yours. Answer on another channel."
