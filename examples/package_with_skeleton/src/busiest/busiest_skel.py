# Made from busiest.bpf.o by `pylibbpf gen skeleton`: do not edit.
"""The BPF object busiest.bpf.o: its programs, maps, variables and types, and itself."""

from __future__ import annotations

from pylibbpf import maps, programs, skeleton


class Process(skeleton.Struct):
    """struct process, 24 bytes."""

    calls: int  # __u64
    name: bytes  # char[16]

    def __init__(
        self,
        initial: skeleton.Initial = ...,
        /,
        *,
        calls: int = ...,
        name: bytes = ...,
    ) -> None: ...


class BusiestPrograms(skeleton.Programs):
    """The programs of busiest.bpf.o."""

    count: programs.RawTracePoint  # SEC("raw_tp/sys_enter")


class BusiestMaps(skeleton.Maps):
    """The maps of busiest.bpf.o."""

    processes: maps.LruHashMap[int, Process]
    rodata: maps.ArrayMap[bytes] = skeleton.named("busiest.rodata")
    bss: maps.ArrayMap[bytes] = skeleton.named("busiest.bss")


class BusiestVariables(skeleton.Variables):
    """The global variables of busiest.bpf.o."""

    ignored: skeleton.Global[int] = skeleton.Global(".rodata")  # pid_t
    total: skeleton.Global[int] = skeleton.Global(".bss")  # __u64


class Busiest(skeleton.Skeleton):
    """The object busiest.bpf.o."""

    programs: BusiestPrograms
    maps: BusiestMaps
    variables: BusiestVariables


skeleton.embed(
    Busiest,
    name="busiest",
    programs=BusiestPrograms,
    maps=BusiestMaps,
    variables=BusiestVariables,
    types={"Process": 11},
    image="""
c-o~_&2Jk;6n|^GNt~u>0xg6fg{6neuFNL1RY8J8NvP9CM6Hzssp)09Sx;;$>yPfPY22ukLo4-w5Qi2~3Gq=7>VX
4?NZ}Ta{SQFur4mAl#3h`#R0?lq-rD1>ld9rbv(LXb?`yu^%+2iFOw2GKBm@417SgD<^>>oK2Zg5P2VP(=BX5)i_
v~vdsEzs!pYck-J#b47ulO7+ubQ_58?0sD2diw?d|0mgCGH2-a&5(OU~YPPjGb2O6gbs-C4f?)QuTNqYF^dhzR!I
Ks)6mo-0TP03kz9v%H3xoTGNX&@?-I}0QRSGYzg>hw^Lsne^L67dd^2CX`bXm5&06fmoz_@sGngQgab`^f_Op7yP
I;8_*E(IYRY?vUz74gQ+|l}ZEXG2FMK$?PvsalDgOHK&aUFy#GgnW&EFnWe8d=$eCvV2-7$ctySuwl{o8U60epm`
miph5J_@%{e*^6XNKf#spQyh}`P=$|FizQ%4*s{672iy#IKoe?L*AiYn9os~J28HNH)D!FrU@R3wc9^d>B9!$d&J
MyZP%P$I6HbSHwQ03?>5gD$V`eF7OVXzf_EZ#%xGb;_TT<(z)<KrrrN#M7-DhK6)d6lfYIF6G-pDd#CD)vuj!*pK
MI-+q*^*6m)B@Z3SV!~e{DKr2k~Pm`-I5(47NV%d>`9kswq=sEB5d?%BhF?E)%Blw~eKr@)~HJrG!amEL6<XIEAk
o&FQDu0xE64VY{wW`v){T8g@AMhXlAK&osatCF^@RGEZSXVjQ27&!g==dxu*8lVXftlHRMN_YL7b!X>p|4-22KXl
MN@$rG)0kg*#i7ruwJn(+zAO<6az8dJh*%h=TX{L~U#n7y23i%YpIV^AyQndn*NUWL0%K`O`K*skkC#V&KysGm6v
^@@)ro99ipS}Dj6I7Qoopi$#cw%0_3_ORx|DsRBYwp-^~X?KD(D*Iu156izQ`qpUsg^`rWnD{lvO%$;L513Q;JPe
`|EtK-9v^g<ho;vv+B=M%IJE*S$nkVQ_#$55ZUqm14H&CmzVy2|aag)NQF%sFRICyz6w_07T*BEzsId!}_hKzX}Z
PVoDO_Hb0bx0<o89LQ+IVD3|Vg@s&U%Jk#E1D=R93{hu^%~xvymLhSO0$ePott47E@m&yE-Xsx7tg#sbx1PiH!2Q
W;ek_Rb|ug3e7<S;)`Z*x8S`yn+F4bup3=Cn-*e!Zi=66QSd)%W%iso{G+KN5R;+clj!+#CGAiNlBh~T#K<S4#9V
p!p_XO%J2>d6u*Vk0t7C0#mKNgIfhPx17AskYX@Q5f3cT|lLI4AT!Q#C_i8}ZN=0AFc1j`){I|0BZpMgLuOF9`g*
$OnxF4264fyxm`8{)C4S#~!MCL*T5yKZAU?2wV_zwgLZ}3@UnNL_SIUK?i-El6ryFXq)&>#4ddIg!OY!yHj=g!)S
kRMc+*!9n;33(^$OyJ+)W<CrB0@!(_buT^D`lg>;f~ipD=5@0@QGzq3dFp}qMW`<t`|lM#85>~q>B7}xB>yY_B}I
T7?L+5eT;KmPqa?7t($E6-WK{{Y<|l`j
""",
)
