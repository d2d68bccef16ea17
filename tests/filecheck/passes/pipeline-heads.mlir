// The product before an attention and the attention are cut in groups of heads that follow each other on both devices.

// RUN: xdsl-opt %s -p pipeline-heads{groups=2} | filecheck %s

// CHECK:        host.memory @keys : tensor<2x2x4x32x16xf16> layout #pim.head_keys<slots = 2, heads_per_channel = 4, parts = 4, columns = 1, rows_per_head = 1, head_dim = 16>
// CHECK-NEXT:   host.memory @values : tensor<2x2x4x32x16xf16> layout #pim.head_values<slots = 2, heads_per_channel = 4, parts = 4, tokens = 8, rows_per_head = 1, head_dim = 16>
// CHECK-NEXT:   func.func @layer_0_xpu(%q: !host.buffer<2x64xf16>, %k: !host.buffer<2x64xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
// CHECK-NEXT:     xpu.norm(m = %rows, n = 64) {source = "norm"} : index
// CHECK:        func.func @layer_0_xpu_heads(%q: !host.buffer<2x64xf16>, %k: !host.buffer<2x64xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
// CHECK-NEXT:     xpu.product(m = %rows, n = 64, k = 64) {source = "wq+wk"} : index
// CHECK:            pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %new {group = 0 : i64, groups = 2 : i64} : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>
// CHECK-NEXT:       pim.attend %q, @keys, @values[%layer] at %past slot %slot via %s, %p -> %o rows %new {in_flight = 2 : i64, scale = 2.500000e-01 : f32, group = 0 : i64, groups = 2 : i64} : !host.buffer<2x64xf16>, !host.buffer<1x4x32xf32, softmax>, !host.buffer<1x4x32xf16, softmax> -> !host.buffer<2x64xf32>
// CHECK:            pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %new {group = 1 : i64, groups = 2 : i64} : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>
// CHECK-NEXT:       pim.attend %q, @keys, @values[%layer] at %past slot %slot via %s, %p -> %o rows %new {in_flight = 2 : i64, scale = 2.500000e-01 : f32, group = 1 : i64, groups = 2 : i64} : !host.buffer<2x64xf16>, !host.buffer<1x4x32xf32, softmax>, !host.buffer<1x4x32xf16, softmax> -> !host.buffer<2x64xf32>
// CHECK:          %done = host.launch @layer_0_xpu(%q, %k, %rows, %c0) after(%start) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, index, index
// CHECK-NEXT:     %0 = host.launch @layer_0_xpu_heads(%q, %k, %rows, %c0) after(%done) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, index, index
// CHECK-NEXT:     %1 = host.transfer %q, %k rows %rows after(%0) {parts = 2 : i64} : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>
// CHECK-NEXT:     %2 = host.launch @layer_1_pim_0(%q, %k, %o, %c0, %sequences, %c0) after(%1) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, !host.buffer<2x64xf32>, index, index, index
// CHECK-NEXT:     %3 = host.transfer %o rows %rows after(%2) {parts = 2 : i64, queue = 1 : i64} : !host.buffer<2x64xf32>
// CHECK-NEXT:     %4 = host.launch @layer_0_xpu_heads(%q, %k, %rows, %c0) after(%0) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, index, index
// CHECK-NEXT:     %5 = host.transfer %q, %k rows %rows after(%4) {parts = 2 : i64} : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>
// CHECK-NEXT:     %6 = host.launch @layer_1_pim_1(%q, %k, %o, %c0, %sequences, %c0) after(%5) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, !host.buffer<2x64xf32>, index, index, index
// CHECK-NEXT:     %back = host.transfer %o rows %rows after(%6) {parts = 2 : i64, queue = 1 : i64} : !host.buffer<2x64xf32>
// CHECK-NEXT:     %done_1 = host.launch @layer_2_xpu(%o, %rows) after(%back) : !host.buffer<2x64xf32>, index

builtin.module {
  host.memory @keys : tensor<2x2x4x32x16xf16> layout #pim.head_keys<slots = 2, heads_per_channel = 4, parts = 4, columns = 1, rows_per_head = 1, head_dim = 16>
  host.memory @values : tensor<2x2x4x32x16xf16> layout #pim.head_values<slots = 2, heads_per_channel = 4, parts = 4, tokens = 8, rows_per_head = 1, head_dim = 16>
  func.func @layer_0_xpu(%q: !host.buffer<2x64xf16>, %k: !host.buffer<2x64xf16>, %rows: index, %layer: index) attributes {device = "xpu"} {
    xpu.norm(m = %rows, n = 64) {source = "norm"} : index
    xpu.product(m = %rows, n = 128, k = 64) {source = "wq+wk"} : index
    func.return
  }
  func.func @layer_1_pim(%q: !host.buffer<2x64xf16>, %k: !host.buffer<2x64xf16>, %o: !host.buffer<2x64xf32>, %begin: index, %end: index, %layer: index) attributes {device = "pim"} {
    %c1 = arith.constant 1 : index
    %s = host.buffer : !host.buffer<1x4x32xf32, softmax>
    %p = host.buffer : !host.buffer<1x4x32xf16, softmax>
    scf.for %sequence = %begin to %end step %c1 {
      %first, %new, %past, %slot = host.sequence %sequence
      pim.kv_append %k, %k, @keys, @values[%layer] at %past slot %slot rows %new : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>
      pim.attend %q, @keys, @values[%layer] at %past slot %slot via %s, %p -> %o rows %new {in_flight = 2 : i64, scale = 2.500000e-01 : f32} : !host.buffer<2x64xf16>, !host.buffer<1x4x32xf32, softmax>, !host.buffer<1x4x32xf16, softmax> -> !host.buffer<2x64xf32>
    }
    func.return
  }
  func.func @layer_2_xpu(%o: !host.buffer<2x64xf32>, %rows: index) attributes {device = "xpu"} {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %c0 = arith.constant 0 : index
    %q = host.buffer : !host.buffer<2x64xf16>
    %k = host.buffer : !host.buffer<2x64xf16>
    %o = host.buffer : !host.buffer<2x64xf32>
    %start = host.start
    %done = host.launch @layer_0_xpu(%q, %k, %rows, %c0) after(%start) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, index, index
    %sent = host.transfer %q, %k rows %rows after(%done) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>
    %done_1 = host.launch @layer_1_pim(%q, %k, %o, %c0, %sequences, %c0) after(%sent) : !host.buffer<2x64xf16>, !host.buffer<2x64xf16>, !host.buffer<2x64xf32>, index, index, index
    %back = host.transfer %o rows %rows after(%done_1) : !host.buffer<2x64xf32>
    %done_2 = host.launch @layer_2_xpu(%o, %rows) after(%back) : !host.buffer<2x64xf32>, index
    func.return
  }
}
