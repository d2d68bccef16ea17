// Scores, softmax and context become one op where a head is in a channel, and only there.

// RUN: xdsl-opt %s -p pim-fuse-attention --split-input-file --verify-diagnostics | filecheck %s
// RUN: xdsl-opt %s -p "pim-fuse-attention{in-flight=1}" --split-input-file --verify-diagnostics | filecheck %s --check-prefix ALONE

// CHECK:      func.func @heads
// CHECK-NEXT:   pim.attend %q, @keys, @values[%layer] at %past slot %slot via %s, %p -> %o rows %rows {source = "scores", in_flight = 2 : i64, scale = 2.500000e-01 : f32} : !host.buffer<1x96xf16>, !host.buffer<1x3x64xf32, softmax>, !host.buffer<1x3x64xf16, softmax> -> !host.buffer<1x96xf32>
// CHECK-NEXT:   func.return
// ALONE:      in_flight = 1 : i64

builtin.module {
  host.memory @keys : tensor<2x1x3x64x32xf16> layout #pim.head_keys<slots = 1, heads_per_channel = 2, parts = 4, columns = 1, rows_per_head = 2, head_dim = 32>
  host.memory @values : tensor<2x1x3x64x32xf16> layout #pim.head_values<slots = 1, heads_per_channel = 2, parts = 4, tokens = 16, rows_per_head = 2, head_dim = 32>
  func.func @heads(%q: !host.buffer<1x96xf16>, %s: !host.buffer<1x3x64xf32, softmax>, %p: !host.buffer<1x3x64xf16, softmax>, %o: !host.buffer<1x96xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows {source = "scores"} : !host.buffer<1x96xf16> -> !host.buffer<1x3x64xf32, softmax>
    pim.softmax_rows %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<1x3x64xf32, softmax> -> !host.buffer<1x3x64xf16, softmax>
    pim.context %p, @values[%layer] at %past slot %slot -> %o rows %rows : !host.buffer<1x3x64xf16, softmax> -> !host.buffer<1x96xf32>
    func.return
  }
}

// -----

// CHECK:      func.func @tokens
// CHECK-NEXT:   pim.scores
// CHECK-NEXT:   pim.softmax_rows
// CHECK-NEXT:   pim.context

builtin.module {
  host.memory @keys : tensor<2x1x3x64x32xf16> layout #pim.keys<slots = 1, channels = 2, groups = 4, rows_per_token = 1, heads_per_row = 3, head_dim = 32>
  host.memory @values : tensor<2x1x3x64x32xf16> layout #pim.values<slots = 1, channels = 2, groups = 12, groups_per_head = 4, rows_per_sequence = 6, row_elements = 128, head_dim = 32>
  func.func @tokens(%q: !host.buffer<1x96xf16>, %s: !host.buffer<1x3x64xf32, softmax>, %p: !host.buffer<1x3x64xf16, softmax>, %o: !host.buffer<1x96xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows {source = "scores"} : !host.buffer<1x96xf16> -> !host.buffer<1x3x64xf32, softmax>
    pim.softmax_rows %s at %past -> %p rows %rows {scale = 2.500000e-01 : f32} : !host.buffer<1x3x64xf32, softmax> -> !host.buffer<1x3x64xf16, softmax>
    pim.context %p, @values[%layer] at %past slot %slot -> %o rows %rows : !host.buffer<1x3x64xf16, softmax> -> !host.buffer<1x96xf32>
    func.return
  }
}

// -----

// CHECK: @half: pim.scores over #pim.head_keys is not followed by its softmax and context

builtin.module {
  host.memory @keys : tensor<2x1x3x64x32xf16> layout #pim.head_keys<slots = 1, heads_per_channel = 2, parts = 4, columns = 1, rows_per_head = 2, head_dim = 32>
  host.memory @values : tensor<2x1x3x64x32xf16> layout #pim.head_values<slots = 1, heads_per_channel = 2, parts = 4, tokens = 16, rows_per_head = 2, head_dim = 32>
  func.func @half(%q: !host.buffer<1x96xf16>, %s: !host.buffer<1x3x64xf32, softmax>, %p: !host.buffer<1x3x64xf16, softmax>, %o: !host.buffer<1x96xf32>, %past: index, %slot: index, %rows: index, %layer: index) attributes {device = "pim"} {
    pim.scores %q, @keys[%layer] at %past slot %slot -> %s rows %rows {source = "scores"} : !host.buffer<1x96xf16> -> !host.buffer<1x3x64xf32, softmax>
    pim.context %p, @values[%layer] at %past slot %slot -> %o rows %rows : !host.buffer<1x3x64xf16, softmax> -> !host.buffer<1x96xf32>
    func.return
  }
}
