// Operators of the xPU are instructions without addresses.

// RUN: xdsl-opt %s | xdsl-opt | filecheck %s
// RUN: xdsl-opt %s -t xpu-asm | filecheck %s --check-prefix=ASM

// CHECK:      xpu.norm(m = %rows, n = 64) : index
// CHECK-NEXT: xpu.product(m = %rows, n = 48, k = 64) {source = "qkv"} : index
// CHECK-NEXT: xpu.activation(kind = glu, m = %rows, n = 32, element_bytes = 1) : index

// ASM:      .program @kernel xpu (rows)
// ASM:        norm m=%rows, n=64
// ASM-NEXT:   product m=%rows, n=48, k=64 !tag(1)
// ASM-NEXT:   activation kind=glu, m=%rows, n=32, element_bytes=1
// ASM-NEXT:   halt

func.func @kernel(%rows: index) attributes {device = "xpu"} {
  xpu.norm(m = %rows, n = 64) : index
  xpu.product(m = %rows, n = 48, k = 64) {source = "qkv"} : index
  xpu.activation(kind = glu, m = %rows, n = 32, element_bytes = 1) : index
  func.return
}
