"""Is it a complaint: does somebody want something from us? Pure.

The rule, in this order:

1. what our own accounts wrote, what only passes another's post on, and what a look-alike writes is none;
2. a review of one or two stars is one, a review of four or five is none;
3. a message to us alone is one when it asks for something, tells of a failure, or is negative;
4. anything else must be *directed at us*: it reaches one of our accounts, is a review, speaks in the first or second
   person, demands (`where is my`, `exijo`), or, outside of the press, tells of a failure (`no funciona`). Then it is
   one when it is negative, or demands or tells of a failure in whatever tone, or names a remedy (`refund`,
   `reclamación`) and is not positive.

What it misses: sarcasm without any of these words ("Great job, six hours on the phone"), and whoever complains in the
third person only. docs/tone.md has examples.
"""

from collections.abc import Collection, Sequence
from enum import Enum

from signals.mention import Mention, Tone
from signals.phrases import Phrases

_DEMANDS = """
    where is my|where s my|wheres my|where are my|where is our|when will i|when will my|when am i|when are you going to
    when do i get|when can i expect|how long do i|how much longer|how long does it take|still waiting|still not received
    still no|still haven t|still havent|still hasn t|still hasnt|been waiting|i m waiting|i am waiting|waiting for weeks
    waiting for months|waiting for days|on hold for|no response|no reply|no answer|nobody answers|no one answers
    nobody replies|no one replies|nobody is answering|no one is answering|nobody responds|no one responds
    nobody called|no one called|never called|never answered|never replied|never received|never arrived|never came
    never showed up|never turned up|not arrived|not received|not been delivered|not delivered|hasn t arrived
    hasnt arrived|hasn t been|haven t received|havent received|haven t heard|havent heard|didn t arrive|didnt arrive
    didn t receive|didnt receive|did not receive|did not arrive|has not arrived|have not received|have not heard
    ignored my|ignoring my|ignoring me|answer me|answer my|answer your phone|answer the phone|reply to my|respond to my
    pick up the phone|check your dm*|check my dm*|fix this|fix your|fix it|sort this|sort it out|sort this out
    get back to me|call me back|want my money|want a refund|want my refund|want answers|want an explanation
    want to complain|need my money|need a refund|need my refund|need an answer|need someone|need somebody
    give me my|give us our|give me back|my money back|money back|return my money|refund me|refund my|refund us
    i demand|we demand|demanding a|make a complaint|file a complaint|filing a complaint|filed a complaint
    lodge a complaint|formal complaint|submit a complaint|complaint about|complaint number|small claims|my lawyer
    take you to court|see you in court|trading standards|ombudsman|chargeback|charge back

    donde esta mi|donde estan mis|donde esta nuestro|donde esta el pedido|cuando llega|cuando llegara|cuando me van a
    cuando van a|cuando pensais|cuando piensan|cuando vais a|cuando me devuelven|cuando me lo|hasta cuando
    cuanto tengo que esperar|cuanto mas tengo que|sigo esperando|seguimos esperando|sigo sin|seguimos sin
    todavia no|todavia espero|aun no he|aun no me|aun no ha|aun no llega|llevo esperando|llevamos esperando
    llevo dias|llevo horas|llevo semanas|llevo meses|llevo una|llevo un mes|llevo dos|llevo tres|llevo cuatro
    llevo mas de
    llevo varios|llevo varias|llevo desde|llevamos dias|llevamos horas|llevamos semanas|llevamos desde|llevamos mas de
    llevamos dos|llevamos tres|nadie contesta
    nadie me contesta|nadie responde|nadie me responde|nadie atiende|nadie me atiende|nadie coge|nadie me llama
    nadie me da|no contestan|no responden|no atienden|no cogen el|no me contestan|no me responden|no me contestais
    no me han|no me habeis|no nos han|no me llego|no me ha llegado|no ha llegado|no llego|no llega|no he recibido
    no recibi|no me llega|nunca llego|nunca me llego|nunca recibi|nunca me|quiero mi dinero|quiero mi reembolso
    quiero que me|quiero una respuesta|quiero una solucion|quiero una explicacion|quiero reclamar|quiero poner una
    necesito que me|necesito una respuesta|necesito una solucion|necesito mi dinero|devuelvanme|devuelvan
    devolvedme|devuelveme|devolvednos|devuelvannos|mi dinero|me devuelvan|me devolvais|nos devuelvan
    exijo|exigimos|exijo que|demando que|reclamo que|me deben|nos deben|me debeis|poner una reclamacion
    hoja de reclamaciones|hojas de reclamaciones|libro de reclamaciones|presentar una queja|poner una queja
    puse una queja|puse una reclamacion|arreglen|arregladlo|arreglad|solucionen|solucionadlo|solucionad|respondan
    contesten|contestad|responded|respondedme|hagan algo|haced algo|me pueden decir|me podeis decir|pueden decirme
    podeis decirme|alguien me puede|os voy a denunciar|los voy a denunciar|voy a denunciar*|voy a demandar*
"""
"""Somebody wants something from us, in whatever tone."""

_FAILURES = """
    doesn t work|doesnt work|does not work|don t work|dont work|do not work|not working|isn t working|isnt working
    won t work|wont work|stopped working|stop working|didn t work|didnt work|never works|never worked|not work
    won t load|wont load|not loading|won t open|wont open|won t start|wont start|won t let me|wont let me|doesn t let me
    doesnt let me|not letting me|keeps crashing|keeps failing|keeps saying|keeps freezing|keep getting an error
    error code
    error message|can t log in|cant log in|cannot log in|can t login|cant login|can t access|cant access|cannot access
    can t pay|cant pay|cannot pay|can t get through|cant get through|unable to|locked out|logged out|is down|are down
    been down|went down|down again|is broken|arrived broken|came broken|arrived damaged|came damaged|was damaged
    wrong item|wrong order|wrong size|wrong address|missing item*|missing part*|missing from my|charged twice
    charged me twice|double charged|overcharged|charged me|charged my|still charging|keep charging|keeps charging
    payment failed|declined my|cancelled my|canceled my|lost my|lost our|broke my|ruined my|ruined our|stole my
    delayed again|late again|no show|out of service|ran out of|let me down|let us down|messed up|screwed up

    no funciona|no funcionan|no funciono|no funcionaba|no me funciona|no nos funciona|sin funcionar|dejo de funcionar
    ha dejado de funcionar|no va|no carga|no me carga|no abre|no me abre|no arranca|no enciende|no me deja|no nos deja
    no deja entrar|no puedo entrar|no puedo acceder|no puedo pagar|no puedo iniciar|no puedo hacer|no se puede
    no hay forma
    no hay manera|no podemos|da error|me da error|sale error|dando error|esta caido|esta caida|estan caidos|se ha caido
    se cayo|otra vez caid*|vuelve a fallar|sigue fallando|sin servicio|sin linea|sin internet|sin luz|sin agua
    no tengo servicio|no tengo internet|no tengo linea|no hay servicio|llego roto|llego rota|ha llegado roto
    ha llegado rota|vino roto|vino rota|llego danado|llego mal|pedido equivocado|me cobraron|me han cobrado|me cobran
    me habeis cobrado|cobro doble|cobrado dos veces|cobrado de mas|cargo duplicado|doble cargo|cobro indebido
    cobros indebidos|me siguen cobrando|me sigue cobrando|cancelaron mi|me cancelaron|me han cancelado|perdieron mi
    me han perdido|me perdieron|se me bloquea|cuenta bloqueada|bloquearon mi|me han bloqueado|me han dejado tirad*
    me dejaron tirad*|nos han dejado|nos dejaron
"""
"""Something of ours has failed for them, in whatever tone."""

_REMEDIES = """
    refund|refunds|refunded|reimburse*|compensat*|replacement|complain|complaint|complaints|complaining|cancel my
    cancel our|cancelled|canceled|help|please fix|issue|issues|problem|problems|trouble|error|outage|delay|delayed
    delays|late|waiting|broken|damaged|faulty|defective|missing|lost|stuck|crash|crashes|crashing|lawyer|legal action
    escalate|supervisor|unacceptable

    reembolso|reembolsos|devolucion|devoluciones|indemnizacion|compensacion|reclamacion|reclamaciones|reclamo|reclamos
    queja|quejas|quejarme|denuncia|denunciar*|abogado|abogada|cancelar mi|anular mi|darme de baja|ayuda|problema
    problemas|incidencia|incidencias|averia|averias|error|errores|fallo|fallos|retraso|retrasos|retrasado|tarde
    roto|rota|rotos|rotas|defectuos*|danado|danada|perdido|perdida|falta|faltan|esperando|inaceptable|supervisor
    supervisora
"""
"""What somebody with a complaint talks about; whoever is content may, too."""

_ASKS = """
    please|can you|could you|can i|could i|would you|will you|do you|i want|i need|i would like|i d like|i wish to
    how do i
    how can i|how long|how much|when|where|why|what|who|is it possible|tell me|let me know|send me|help me|any news
    any update*

    por favor|porfa|podeis|pueden|podrian|podriais|puedo|podria|quiero|quisiera|necesito|me gustaria|querria|como puedo
    como hago|cuando|donde|por que|cuanto|cual|es posible|diganme|decidme|digame|enviadme|enviame|envienme|mandadme
    ayudadme|ayudenme|ayudeme|alguna novedad|hay novedades|se sabe algo|solicito|pido
"""

_PERSONS = """
    i im ive me my mine myself we us our ours you your yours u ur youre

    yo me mi mis mio mia conmigo nos nosotros nosotras nuestro nuestra nuestros nuestras tu tus te ti usted ustedes
    vosotros vosotras os vuestro vuestra vuestros vuestras llevo llevamos estoy estamos tengo tenemos quiero queremos
    necesito necesitamos puedo podemos compre compramos pedi pedimos pague pagamos llame llamamos he hemos sois estais
    teneis habeis haceis podeis deberiais deberian
"""
"""The first and the second person: it happened to who writes, or is said to us."""


class _Kind(Enum):
    DEMAND = "demand"
    FAILURE = "failure"
    REMEDY = "remedy"
    ASKING = "asking"


_WORDS = {
    _Kind.DEMAND: _DEMANDS,
    _Kind.FAILURE: _FAILURES,
    _Kind.REMEDY: _REMEDIES,
    _Kind.ASKING: _ASKS,
}
_PHRASES = Phrases(
    (phrase, kind)
    for kind, phrases in _WORDS.items()
    for line in phrases.splitlines()
    for phrase in line.strip().split("|")
)
_PERSON_WORDS = frozenset(_PERSONS.split())


def is_complaint(mention: Mention, words: Sequence[str], tone: Tone) -> bool:
    """`words` are those of its title and text (`signals.words.words`), in English or Spanish; others never demand."""
    if mention.by_us or mention.repost_of:
        return False
    if mention.stars is not None and mention.stars != 3:
        return mention.stars < 3
    said = frozenset(_PHRASES.values_in(words))
    wants = tone == "negative" or _tells(said, tone)
    if mention.private:
        return wants or _Kind.ASKING in said or "?" in mention.text
    return wants and (_Kind.DEMAND in said or _is_directed_at_us(mention, words, said))


def _is_directed_at_us(mention: Mention, words: Sequence[str], said: Collection[_Kind]) -> bool:
    """Spanish leaves the person out: `no funciona y nadie contesta`. The press, which has titles, tells of others."""
    if mention.to_us or mention.stars is not None or not _PERSON_WORDS.isdisjoint(words):
        return True
    return _Kind.FAILURE in said and not mention.title


def _tells(said: Collection[_Kind], tone: Tone) -> bool:
    """Whether it demands, or tells of a failure; or, when it is not positive, names a remedy."""
    return _Kind.DEMAND in said or _Kind.FAILURE in said or (tone != "positive" and _Kind.REMEDY in said)
